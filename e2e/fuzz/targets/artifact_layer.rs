//! What a registry sends: manifests and layers. The first byte says which of the two the rest is, and of which media type.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oci_client::manifest::OciManifest;
use shoal_artifact::format::{
    RUNWASI_COMPONENT_LAYER, SPIN_LAYER, WASM_LAYER, choose_layer, choose_platform, parse_manifest,
    unpack_layer,
};

const MEDIA_TYPES: [&str; 7] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    WASM_LAYER,
    SPIN_LAYER,
    RUNWASI_COMPONENT_LAYER,
    "text/plain",
];

fuzz_target!(|input: &[u8]| {
    let Some((selector, bytes)) = input.split_first() else {
        return;
    };
    match MEDIA_TYPES.get(usize::from(*selector % 16)) {
        Some(media_type) => {
            if let Ok(wasm) = unpack_layer(media_type, bytes) {
                assert!(
                    wasm.starts_with(b"\0asm"),
                    "something else passed for WebAssembly"
                );
            }
        }
        None => manifest(bytes),
    }
});

fn manifest(bytes: &[u8]) {
    match parse_manifest(bytes) {
        Ok(OciManifest::Image(image)) => drop(choose_layer(&image)),
        Ok(OciManifest::ImageIndex(index)) => drop(choose_platform(&index)),
        Err(_) => {}
    }
}
