//! Every format there and back through a real registry, files and layouts.

use std::fs;
use std::path::Path;

use serde_json::json;
use shoal_artifact::{Digest, Format, PullPolicy, PushFormat, PushOptions, Source, push};

use crate::support::docker::DockerRegistry;
use crate::support::{Steps, TempCache, component, options, readable, source, transport};

const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const TAR: &str = "application/vnd.oci.image.layer.v1.tar";

fn tar_with(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, name, bytes).unwrap();
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn what_is_pushed_is_pulled() {
    let registry = DockerRegistry::start(false);
    let temp = TempCache::new();
    let wasm = component(&[7; 300_000]);
    let file = temp.dir.path().join("hello.wasm");
    fs::write(&file, &wasm).unwrap();
    for (format, tag, pulled) in [
        (PushFormat::WasmArtifact, "artifact", Format::WasmArtifact),
        (PushFormat::WasmImage, "image", Format::WasmImage),
    ] {
        let reference = registry.reference(&format!("team/hello:{tag}"));
        let push_options = PushOptions {
            format,
            transport: transport(&registry.name),
            ..PushOptions::default()
        };
        let steps = Steps::default();
        let pushed = push(&file, &reference, &push_options, &steps).await.unwrap();
        let steps_taken = steps.take();
        let [started, advanced, done] = steps_taken.as_slice() else {
            panic!("{steps_taken:?}")
        };
        let sum: usize = advanced.trim_start_matches('+').parse().unwrap();
        assert!(sum > wasm.len(), "layer and config: {sum}");
        assert_eq!(
            (started, done),
            (&format!("Pushing Some({sum})"), &"Pushing done".to_owned())
        );
        let again = push(&file, &reference, &push_options, &()).await.unwrap();
        assert_eq!(pushed, again, "the same bytes, the same digest");

        let fresh = TempCache::new();
        let artifact = fresh
            .cache
            .fetch(
                &Source::Reference(reference.clone()),
                &options(&registry.name),
                &steps,
            )
            .await
            .unwrap();
        assert_eq!(fs::read(&artifact.path).unwrap(), wasm);
        assert_eq!((artifact.format, artifact.size), (pulled, wasm.len() as u64));
        assert_eq!(artifact.digest, Digest::of(&wasm));
        assert_eq!(
            artifact.reference_resolved.as_deref(),
            Some(pushed.reference.as_str())
        );
        let expected = [
            "Resolving None".to_owned(),
            "Resolving done".to_owned(),
            format!("Pulling Some({})", wasm.len()),
            format!("+{}", wasm.len()),
            "Pulling done".to_owned(),
        ];
        assert_eq!(steps.take(), expected);
        let by_digest = fresh
            .cache
            .fetch(&source(&pushed.reference), &options(&registry.name), &steps)
            .await
            .unwrap();
        assert_eq!(
            (by_digest, steps.take()),
            (artifact, Vec::new()),
            "a pinned reference needs no registry"
        );
    }
}

#[tokio::test]
async fn formats_of_others_are_pulled() {
    let registry = DockerRegistry::start(false);
    let wasm = component(b"others");
    let tar = tar_with("app/hello.wasm", &wasm);
    let config = (IMAGE_CONFIG, br#"{"architecture":"wasm","os":"wasi"}"#.as_slice());
    let spin_config = (
        "application/vnd.fermyon.spin.application.v1+config",
        b"{}".as_slice(),
    );
    for (tag, config, layers, format) in [
        ("tar", config, vec![(TAR, tar.clone())], Format::TarLayer),
        (
            "targz",
            config,
            vec![("application/vnd.oci.image.layer.v1.tar+gzip", gzip(&tar))],
            Format::TarLayer,
        ),
        (
            "spin",
            spin_config,
            vec![
                ("application/vnd.wasm.content.data.v1+data", b"page".to_vec()),
                ("application/vnd.wasm.content.layer.v1+wasm", wasm.clone()),
            ],
            Format::SpinLayer,
        ),
    ] {
        let reference = registry.reference(&format!("others:{tag}"));
        let layers: Vec<(&str, &[u8])> = layers
            .iter()
            .map(|(kind, bytes)| (*kind, bytes.as_slice()))
            .collect();
        registry.put(&reference, config, &layers).await;
        let temp = TempCache::new();
        let fetched = temp
            .cache
            .fetch(&Source::Reference(reference), &options(&registry.name), &())
            .await;
        let artifact = fetched.unwrap();
        assert_eq!(
            (fs::read(&artifact.path).unwrap(), artifact.format),
            (wasm.clone(), format),
            "{tag}"
        );
        assert_eq!(temp.leftovers(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn the_wasm_image_of_an_index_is_pulled() {
    let registry = DockerRegistry::start(false);
    let wasm = component(b"index");
    let config = (IMAGE_CONFIG, b"{}".as_slice());
    let native = registry
        .put(&registry.reference("x:native"), config, &[(TAR, b"native")])
        .await;
    let wasi = registry
        .put(
            &registry.reference("x:wasi"),
            config,
            &[("application/wasm", &wasm)],
        )
        .await;
    let entry = |(digest, size): &(String, usize), os: &str, architecture: &str| {
        json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": size,
            "platform": {"os": os, "architecture": architecture}})
    };
    let media_type = "application/vnd.oci.image.index.v1+json";
    let index = json!({"schemaVersion": 2, "mediaType": media_type,
        "manifests": [entry(&native, "linux", "amd64"), entry(&wasi, "wasip2", "wasm")]});
    let reference = registry.reference("x:both");
    let (digest, _) = registry
        .put_manifest(&reference, media_type, index.to_string().into_bytes())
        .await;
    let temp = TempCache::new();
    let artifact = temp
        .cache
        .fetch(&Source::Reference(reference), &options(&registry.name), &())
        .await
        .unwrap();
    assert_eq!(artifact.digest, Digest::of(&wasm));
    assert_eq!(
        artifact.reference_resolved.unwrap(),
        format!("{}/x@{digest}", registry.name),
        "the index is pinned"
    );
}

#[tokio::test]
async fn a_tag_that_moves_is_followed_as_the_policy_says() {
    let registry = DockerRegistry::start(false);
    let reference = registry.reference("moving:1");
    let config = (IMAGE_CONFIG, b"{}".as_slice());
    let (old, new) = (component(b"old"), component(b"new"));
    let temp = TempCache::new();
    let mut options = options(&registry.name);
    let source = Source::Reference(reference.clone());
    options.policy = PullPolicy::Never;
    let error = temp.cache.fetch(&source, &options, &()).await.unwrap_err();
    assert!(
        readable(&error).contains("is not in the cache, and the pull policy Never"),
        "{error}"
    );
    registry
        .put(&reference, config, &[("application/wasm", &old)])
        .await;
    options.policy = PullPolicy::IfNotPresent;
    assert_eq!(
        temp.cache.fetch(&source, &options, &()).await.unwrap().digest,
        Digest::of(&old)
    );
    registry
        .put(&reference, config, &[("application/wasm", &new)])
        .await;
    assert_eq!(
        temp.cache.fetch(&source, &options, &()).await.unwrap().digest,
        Digest::of(&old)
    );
    options.policy = PullPolicy::Always;
    assert_eq!(
        temp.cache.fetch(&source, &options, &()).await.unwrap().digest,
        Digest::of(&new)
    );
    options.policy = PullPolicy::Never;
    assert_eq!(
        temp.cache.fetch(&source, &options, &()).await.unwrap().digest,
        Digest::of(&new)
    );
}

/// Writes a layout with one image of one layer.
fn layout(dir: &Path, media_type: &str, layer: &[u8]) {
    let put = |bytes: &[u8]| {
        let digest = Digest::of(bytes);
        fs::create_dir_all(dir.join("blobs/sha256")).unwrap();
        fs::write(dir.join("blobs/sha256").join(digest.hex()), bytes).unwrap();
        json!({"digest": digest, "size": bytes.len()})
    };
    let (mut config, mut layer) = (put(b"{}"), put(layer));
    config["mediaType"] = json!(IMAGE_CONFIG);
    layer["mediaType"] = json!(media_type);
    let manifest = json!({"schemaVersion": 2, "config": config, "layers": [layer]});
    let mut manifest = put(manifest.to_string().as_bytes());
    manifest["mediaType"] = json!("application/vnd.oci.image.manifest.v1+json");
    fs::write(
        dir.join("index.json"),
        json!({"schemaVersion": 2, "manifests": [manifest]}).to_string(),
    )
    .unwrap();
    fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
}

#[tokio::test]
async fn a_layout_is_read_and_verified() {
    let temp = TempCache::new();
    let dir = temp.dir.path().join("layout");
    let wasm = component(b"layout");
    layout(&dir, "application/wasm", &wasm);
    let options = options("unused");
    for source in [Source::Layout(dir.clone()), Source::File(dir.clone())] {
        let artifact = temp.cache.fetch(&source, &options, &()).await.unwrap();
        assert_eq!(
            (fs::read(artifact.path).unwrap(), artifact.format),
            (wasm.clone(), Format::WasmImage)
        );
        assert!(artifact.reference_resolved.unwrap().starts_with("oci:/"));
    }

    let blob = dir.join("blobs/sha256").join(Digest::of(&wasm).hex());
    let fails = async |expected: &str| {
        let fresh = TempCache::new();
        let error = fresh
            .cache
            .fetch(&Source::Layout(dir.clone()), &options, &())
            .await
            .unwrap_err();
        assert!(readable(&error).contains(expected), "{error}");
        fresh.assert_empty();
    };
    let mut changed = wasm.clone();
    *changed.last_mut().unwrap() ^= 1;
    fs::write(&blob, &changed).unwrap();
    fails("corrupted or exchanged").await;
    fs::write(&blob, &changed[..9]).unwrap();
    fails("the layout is incomplete or was changed").await;
    fs::remove_file(&blob).unwrap();
    fails("can't open").await;
    // A named pipe would keep a reader waiting for ever.
    let status = std::process::Command::new("mkfifo").arg(&blob).status().unwrap();
    assert!(status.success());
    fails("not a regular file").await;
    fs::remove_file(dir.join("oci-layout")).unwrap();
    fails("the file oci-layout is missing").await;
}

#[tokio::test]
async fn a_file_is_copied_and_judged_by_its_bytes() {
    let temp = TempCache::new();
    let path = temp.dir.path().join("x.wasm");
    let wasm = component(b"file");
    let options = options("unused");
    for (bytes, expected) in [
        (b"".as_slice(), "is not WebAssembly: it is empty"),
        (&wasm[..wasm.len() - 1], "is cut off: its"),
        (b"(component)", "text format"),
        (
            b"\x7fELF\x02\x01\x01",
            "a precompiled file is never accepted from outside",
        ),
        (
            &component(&vec![0; 1 << 20]),
            "is larger than the limit of 1048576 bytes",
        ),
    ] {
        fs::write(&path, bytes).unwrap();
        let error = temp
            .cache
            .fetch(&Source::File(path.clone()), &options, &())
            .await
            .unwrap_err();
        assert!(
            readable(&error).contains(expected) && readable(&error).contains("x.wasm"),
            "{error}"
        );
        temp.assert_empty();
    }
    fs::write(&path, &wasm).unwrap();
    let steps = Steps::default();
    let artifact = temp
        .cache
        .fetch(&Source::File(path), &options, &steps)
        .await
        .unwrap();
    assert_eq!(
        (fs::read(&artifact.path).unwrap(), artifact.reference_resolved),
        (wasm.clone(), None)
    );
    assert_eq!(
        steps.take(),
        [
            format!("Pulling Some({})", wasm.len()),
            format!("+{}", wasm.len()),
            "Pulling done".into()
        ]
    );
    for (path, expected) in [
        ("/nonexistent.wasm", "can't find /nonexistent.wasm"),
        ("/dev/zero", "not a regular file"),
    ] {
        let error = temp
            .cache
            .fetch(&Source::File(path.into()), &options, &())
            .await
            .unwrap_err();
        assert!(readable(&error).contains(expected), "{error}");
    }
    let error = temp
        .cache
        .fetch(&Source::File("/proc".into()), &options, &())
        .await
        .unwrap_err();
    assert!(
        readable(&error).contains("/proc is not an OCI image layout"),
        "{error}"
    );
}
