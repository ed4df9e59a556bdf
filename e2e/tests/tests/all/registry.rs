//! From a file to a registry and back, with Debian's docker-registry. How registries misbehave is tried one by one beside the code
//! that talks to them, in `host/artifact`.

use serde_json::{Value, json};
use shoal_e2e::binaries::guest;
use shoal_e2e::cache::Cache;
use shoal_e2e::registry::Registry;
use shoal_e2e::{Shoal, Up, get};
use std::path::{Path, PathBuf};

fn manifest(image: &str) -> String {
    json!({
        "apiVersion": "shoal.dev/v1alpha1", "kind": "WasmService", "metadata": {"name": "hello"},
        "spec": {
            "components": [{"name": "web", "image": image}],
            "triggers": [{"name": "web", "component": "web", "http": {"path": "/"}}],
        },
    })
    .to_string()
}

fn push(cache: &Cache, registry: &Registry, file: &Path, rest: &str, options: &[&str]) -> String {
    let reference = registry.reference(rest);
    let arguments = [
        "push",
        "--plain-http",
        &registry.name,
        file.to_str().unwrap(),
        &reference,
    ];
    let ended = cache.run(&[&arguments[..], options].concat());
    let digest = ended.succeeded().stdout.trim().to_owned();
    assert!(digest.starts_with("sha256:"), "{ended:?}");
    digest
}

async fn up(cache: &Cache, registry: &Registry, image: &str) -> Shoal {
    let up = Up::new().manifest(&manifest(image)).cache(&cache.path());
    up.arg("--plain-http").arg(&registry.name).start().await
}

#[tokio::test]
async fn what_was_pushed_runs_from_its_reference_in_either_format() {
    let registry = Registry::start();
    for format in ["artifact", "image"] {
        let cache = Cache::new();
        let digest = push(
            &cache,
            &registry,
            &guest("http_hello"),
            &format!("hello/{format}:1"),
            &["--format", format],
        );
        let image = registry.reference(&format!("hello/{format}:1"));
        let shoal = up(&cache, &registry, &image).await;
        get(shoal.address(), "/").await.is(200, "hello, world\n");
        // By digest, and with a cache that has never seen it.
        let pinned = format!("{}@{digest}", registry.reference(&format!("hello/{format}")));
        let other = Cache::new();
        get(up(&other, &registry, &pinned).await.address(), "/")
            .await
            .is(200, "hello, world\n");
    }
}

#[tokio::test]
async fn a_cached_image_runs_when_the_registry_is_gone() {
    let cache = Cache::new();
    let registry = Registry::start();
    push(&cache, &registry, &guest("http_hello"), "hello:1", &[]);
    let image = registry.reference("hello:1");
    get(up(&cache, &registry, &image).await.address(), "/")
        .await
        .is(200, "hello, world\n");
    let name = registry.name.clone();
    drop(registry);
    let again = Up::new()
        .manifest(&manifest(&image))
        .cache(&cache.path())
        .arg("--plain-http")
        .arg(&name)
        .start()
        .await;
    get(again.address(), "/").await.is(200, "hello, world\n");
    let other = Cache::new();
    let ended = Up::new()
        .manifest(&manifest(&image))
        .cache(&other.path())
        .arg("--plain-http")
        .arg(&name)
        .fails();
    ended.failed(1, &["component web", "can't connect to", &name]);
    assert_eq!(other.files(), Vec::<PathBuf>::new());
}

#[test]
fn pull_brings_back_the_bytes_that_were_pushed_and_inspect_says_what_they_need() {
    let registry = Registry::start();
    let cache = Cache::new();
    let (file, image) = (guest("http_sockets"), registry.reference("sockets:2"));
    push(&cache, &registry, &file, "sockets:2", &[]);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.wasm");
    cache
        .run(&[
            "pull",
            "--plain-http",
            &registry.name,
            "-O",
            out.to_str().unwrap(),
            &image,
        ])
        .succeeded();
    assert!(
        std::fs::read(&out).unwrap() == std::fs::read(&file).unwrap(),
        "other bytes came back"
    );

    let ended = cache.run(&["inspect", "--plain-http", &registry.name, "-o", "json", &image]);
    let report: Value = serde_json::from_str(&ended.succeeded().stdout).expect("JSON");
    assert_eq!(report["size"], std::fs::metadata(&file).unwrap().len());
    assert_eq!(report["worlds"], json!(["wasi:http/proxy (0.2)"]));
    let import = |name: &str| {
        let all = report["imports"].as_array().unwrap();
        let found = all
            .iter()
            .find(|import| import["name"].as_str().unwrap().starts_with(name));
        found.unwrap_or_else(|| panic!("no {name} in {report:#}"))["needs"].clone()
    };
    assert_eq!(import("wasi:sockets/tcp@0.2"), "grant");
    assert_eq!(import("wasi:cli/environment@0.2"), "nothing");
    assert!(
        report["grants"]
            .as_str()
            .unwrap()
            .contains("network: {outbound: [{host: HOST, ports: [PORT]}]}"),
        "{report:#}"
    );
    let text = cache.run(&["inspect", file.to_str().unwrap()]);
    assert!(
        text.succeeded().stdout.contains("wasi:sockets/tcp@0.2"),
        "{text:?}"
    );
}

#[test]
fn a_registry_without_tls_is_spoken_to_only_when_that_was_asked_for() {
    let registry = Registry::start();
    let cache = Cache::new();
    let ended = cache.run(&["pull", &registry.reference("hello:1")]);
    ended.failed(1, &[&registry.name]);
    let ended = cache.run(&[
        "pull",
        "--plain-http",
        "127.0.0.1:1",
        &registry.reference("hello:1"),
    ]);
    ended.failed(1, &[&registry.name]);
    assert_eq!(cache.files(), Vec::<PathBuf>::new());
}

#[test]
fn what_the_registry_does_not_have_is_told_so() {
    let registry = Registry::start();
    let cache = Cache::new();
    let ended = cache.run(&[
        "pull",
        "--plain-http",
        &registry.name,
        &registry.reference("nothing:1"),
    ]);
    ended.failed(1, &["404", "nothing"]);
    Up::new()
        .manifest(&manifest(&registry.reference("nothing:1")))
        .cache(&cache.path())
        .arg("--plain-http")
        .arg(&registry.name)
        .fails()
        .failed(1, &["hello", "component web", "404"]);
    assert_eq!(cache.files(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_corrupted_or_shortened_blob_is_refused_and_leaves_nothing_behind() {
    let registry = Registry::start();
    let pushing = Cache::new();
    push(&pushing, &registry, &guest("http_hello"), "hello:1", &[]);
    let image = registry.reference("hello:1");
    let blob = registry.blobs().swap_remove(0);
    let good = std::fs::read(&blob).unwrap();
    assert!(
        good == std::fs::read(guest("http_hello")).unwrap(),
        "the largest blob is the component"
    );
    let mut corrupted = good.clone();
    let middle = corrupted.len() / 2;
    corrupted[middle] ^= 1;
    let cases = [
        ("corrupted", corrupted),
        ("shortened", good[..middle].to_vec()),
        ("emptied", Vec::new()),
    ];
    let cache = Cache::new();
    for (what, bytes) in cases {
        std::fs::write(&blob, bytes).unwrap();
        let ended = cache.run(&["pull", "--plain-http", &registry.name, &image]);
        assert_eq!(ended.code, Some(1), "{what}: {ended:?}");
        let one = ended.stderr.trim();
        assert!(
            one.starts_with("error:") && one.lines().count() == 1 && one.len() < 700,
            "{what}: not one readable error: {one}"
        );
        if what == "corrupted" {
            assert!(one.contains("do not have the digest"), "{one}");
        }
        let up = Up::new()
            .manifest(&manifest(&image))
            .cache(&cache.path())
            .arg("--plain-http")
            .arg(&registry.name)
            .fails();
        assert_eq!(up.code, Some(1), "{what}: {up:?}");
        assert_eq!(
            cache.files(),
            Vec::<PathBuf>::new(),
            "{what}: something stayed in the cache"
        );
    }
    // Once the registry is mended, the same cache takes it.
    std::fs::write(&blob, good).unwrap();
    get(up(&cache, &registry, &image).await.address(), "/")
        .await
        .is(200, "hello, world\n");
}
