//! The choice of image and layer, on manifests as the various tools write them.

use serde_json::{Value, json};

use super::*;

const D: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const TAR: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

fn image(config: &str, layers: &[&str]) -> Value {
    let layers: Vec<Value> = layers
        .iter()
        .map(|kind| json!({"mediaType": kind, "digest": D, "size": 3}))
        .collect();
    json!({"schemaVersion": 2, "mediaType": OCI_IMAGE_MEDIA_TYPE,
        "config": {"mediaType": config, "digest": D, "size": 2}, "layers": layers})
}

fn choose(value: &Value) -> Result<Layer, String> {
    match parse_manifest(value.to_string().as_bytes()).map_err(|error| error.to_string())? {
        OciManifest::Image(manifest) => choose_layer(&manifest).map_err(|error| error.to_string()),
        OciManifest::ImageIndex(_) => panic!("an index"),
    }
}

#[test]
fn every_format_is_recognised() {
    let spin = "application/vnd.fermyon.spin.application.v1+config";
    for (config, layers, format, packing) in [
        (WASM_CONFIG, vec![WASM_LAYER], Format::WasmArtifact, Packing::Raw),
        (IMAGE_CONFIG, vec![WASM_LAYER], Format::WasmImage, Packing::Raw),
        (
            IMAGE_CONFIG,
            vec![RUNWASI_COMPONENT_LAYER],
            Format::WasmImage,
            Packing::Raw,
        ),
        (
            IMAGE_CONFIG,
            vec![RUNWASI_MODULE_LAYER],
            Format::WasmImage,
            Packing::Raw,
        ),
        (
            spin,
            vec!["application/vnd.wasm.content.data.v1+data", SPIN_LAYER],
            Format::SpinLayer,
            Packing::Raw,
        ),
        (IMAGE_CONFIG, vec![TAR], Format::TarLayer, Packing::Tar),
        (
            IMAGE_CONFIG,
            vec!["application/vnd.docker.image.rootfs.diff.tar.gzip"],
            Format::TarLayer,
            Packing::Tar,
        ),
        // A wasm layer wins over the files beside it.
        (
            IMAGE_CONFIG,
            vec![TAR, TAR, RUNWASI_COMPONENT_LAYER],
            Format::WasmImage,
            Packing::Raw,
        ),
    ] {
        let layer = choose(&image(config, &layers)).unwrap();
        assert_eq!(
            (layer.format, layer.packing, layer.size),
            (format, packing, 3),
            "{layers:?}"
        );
    }
}

#[test]
fn no_layer_or_several_are_refused_by_name() {
    let error = choose(&image(IMAGE_CONFIG, &[])).unwrap_err();
    assert!(
        error.contains("no layer holds WebAssembly (layers: none)"),
        "{error}"
    );
    let error = choose(&image(
        IMAGE_CONFIG,
        &["text/plain", "application/vnd.oci.image.layer.v1.tar+zstd"],
    ))
    .unwrap_err();
    assert!(
        error.contains("text/plain, application/vnd.oci.image.layer.v1.tar+zstd"),
        "{error}"
    );
    let error = choose(&image(WASM_CONFIG, &[WASM_LAYER, SPIN_LAYER])).unwrap_err();
    assert!(error.contains("2 layers could be the component"), "{error}");
    let error = choose(&image(IMAGE_CONFIG, &[TAR, TAR])).unwrap_err();
    assert!(error.contains("2 layers could be the component"), "{error}");
}

#[test]
fn malformed_manifests_are_refused_with_a_reason() {
    let mut negative = image(WASM_CONFIG, &[WASM_LAYER]);
    negative["layers"][0]["size"] = json!(-1);
    let mut digest = image(WASM_CONFIG, &[WASM_LAYER]);
    digest["layers"][0]["digest"] = json!("sha256:../../etc/passwd");
    let mut schema = image(WASM_CONFIG, &[WASM_LAYER]);
    schema["schemaVersion"] = json!(1);
    let mut both = image(WASM_CONFIG, &[WASM_LAYER]);
    both["manifests"] = json!([]);
    let mut label = image(WASM_CONFIG, &[WASM_LAYER]);
    label["mediaType"] = json!(OCI_IMAGE_INDEX_MEDIA_TYPE);
    for (value, expected) in [
        (negative, "size of -1"),
        (digest, "is not a digest"),
        (schema, "schemaVersion 1"),
        (both, "both layers and manifests"),
        (label, "does not fit"),
        (json!({"schemaVersion": 2}), "neither layers nor manifests"),
        (json!({"layers": []}), "schemaVersion is missing"),
        (json!([]), "malformed"),
        (json!({"schemaVersion": 2, "layers": []}), "config"),
    ] {
        let error = choose(&value).unwrap_err();
        assert!(error.contains(expected), "{error} lacks {expected}");
    }
    for bytes in [b"".as_slice(), b"<html>", &[0xff; 9], "[".repeat(5000).as_bytes()] {
        assert!(matches!(
            parse_manifest(bytes),
            Err(ArtifactError::BadManifest { .. })
        ));
    }
    let large = vec![b' '; MAX_MANIFEST_SIZE as usize + 1];
    assert!(matches!(
        parse_manifest(&large),
        Err(ArtifactError::TooLarge { .. })
    ));
}

fn platform(entries: &[(&str, &str, u8)]) -> Result<String, String> {
    let manifests: Vec<Value> = entries
        .iter()
        .map(|(os, architecture, n)| {
            let digest = format!("sha256:{}", hex::encode([*n; 32]));
            let mut entry = json!({"mediaType": OCI_IMAGE_MEDIA_TYPE, "digest": digest, "size": 9});
            if *os == "unknown" {
                entry["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
            }
            entry["platform"] = json!({"os": os, "architecture": architecture});
            entry
        })
        .collect();
    let index = json!({"schemaVersion": 2, "manifests": manifests});
    match parse_manifest(index.to_string().as_bytes()).unwrap() {
        OciManifest::ImageIndex(index) => choose_platform(&index)
            .map(|(digest, _)| digest.hex()[..2].to_owned())
            .map_err(|error| error.to_string()),
        OciManifest::Image(_) => panic!("an image"),
    }
}

#[test]
fn the_image_for_webassembly_is_picked_from_an_index() {
    let native = [("linux", "amd64", 1), ("linux", "arm64", 2)];
    assert_eq!(
        platform(&[native[0], native[1], ("wasi", "wasm", 3)]).unwrap(),
        "03"
    );
    assert_eq!(
        platform(&[("wasip1", "wasm", 1), ("wasip2", "wasm", 2), native[0]]).unwrap(),
        "02"
    );
    assert_eq!(
        platform(&[("wasi", "wasm", 1), ("wasi", "wasm", 2)]).unwrap(),
        "01"
    );
    assert_eq!(platform(&[native[0], ("unknown", "unknown", 9)]).unwrap(), "01");
    let error = platform(&native).unwrap_err();
    assert!(error.contains("linux/amd64, linux/arm64"), "{error}");
    assert!(platform(&[]).unwrap_err().contains("none of the 0 images"));
}

#[test]
fn a_layer_is_judged_by_its_bytes() {
    let component = b"\0asm\x0d\0\x01\0";
    assert_eq!(unpack_layer(WASM_LAYER, component).unwrap(), component);
    for (media_type, bytes, expected) in [
        (
            WASM_LAYER,
            b"\x1f\x8b\x08".as_slice(),
            "labelled application/wasm but is a gzip stream",
        ),
        (TAR, component, "is a WebAssembly component; push it again"),
        (WASM_LAYER, b"\x7fELF", "precompiled file is never accepted"),
        (SPIN_LAYER, b"", "is empty"),
        (WASM_LAYER, b"\0asm\x0d\0\x01\0\x01\x09", "cut off"),
        ("text/plain", component, "no layer holds WebAssembly"),
    ] {
        let error = unpack_layer(media_type, bytes).unwrap_err().to_string();
        assert!(error.contains(expected), "{error} lacks {expected}");
    }
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(5);
    tar.append_data(&mut header, "text.wasm", b"hello".as_slice())
        .unwrap();
    let error = unpack_layer(TAR, &tar.into_inner().unwrap())
        .unwrap_err()
        .to_string();
    assert!(error.contains("is not WebAssembly"), "{error}");
}
