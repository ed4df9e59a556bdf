//! WebAssembly → config and manifest, byte for byte the same for the same input. Pure; sending is in `push`.

use std::collections::BTreeMap;

use oci_client::manifest::{IMAGE_CONFIG_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageManifest};
use serde_json::json;

use crate::Digest;
use crate::format::{RUNWASI_COMPONENT_LAYER, RUNWASI_MODULE_LAYER, WASM_CONFIG, WASM_LAYER};
use crate::magic::Content;

/// In which format to push.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PushFormat {
    /// CNCF's wasm artifact, which `wkg`, wasmCloud and others take too.
    #[default]
    WasmArtifact,
    /// An image as runwasi takes it, which containerd runs as it is: it has an entrypoint, and its one manifest is
    /// in no index, or containerd would look for the host's platform.
    WasmImage,
}

/// What a component imports and exports, for the artifact's config.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interfaces {
    /// Names of imports, such as `wasi:http/types@0.2.6`.
    pub imports: Vec<String>,
    /// Names of exports.
    pub exports: Vec<String>,
}

/// What is uploaded, besides the WebAssembly itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) config: Vec<u8>,
    pub(crate) config_digest: Digest,
    pub(crate) layer_digest: Digest,
    pub(crate) manifest: Vec<u8>,
    pub(crate) manifest_digest: Digest,
}

/// What goes into a package.
pub(crate) struct Ingredients<'a> {
    pub(crate) wasm: &'a [u8],
    pub(crate) content: Content,
    pub(crate) format: PushFormat,
    /// The file's name in the image.
    pub(crate) file_name: &'a str,
    pub(crate) annotations: &'a BTreeMap<String, String>,
    pub(crate) interfaces: Option<&'a Interfaces>,
    /// Seconds since 1970.
    pub(crate) created: u64,
}

impl Ingredients<'_> {
    /// Puts the package together.
    pub(crate) fn package(&self) -> Result<Package, serde_json::Error> {
        let component = self.content == Content::Component;
        let os = if component { "wasip2" } else { "wasip1" };
        let created = rfc3339(self.created);
        let layer_digest = Digest::of(self.wasm);
        let (config_type, layer_type, config) = match self.format {
            PushFormat::WasmArtifact => {
                // `created` is what the format's readers insist on; `component`, what it wants of components.
                let mut config = json!({
                    "created": created, "architecture": "wasm", "os": os, "layerDigests": [layer_digest],
                });
                if component {
                    let interfaces = self.interfaces.cloned().unwrap_or_default();
                    config["component"] =
                        json!({"exports": interfaces.exports, "imports": interfaces.imports, "target": null});
                }
                (WASM_CONFIG, WASM_LAYER, config)
            }
            PushFormat::WasmImage => {
                let layer = if component {
                    RUNWASI_COMPONENT_LAYER
                } else {
                    RUNWASI_MODULE_LAYER
                };
                // A layer that is no tar has no diff id; with one, containerd looks for a snapshot.
                let config = json!({
                    "created": created, "architecture": "wasm", "os": os,
                    "config": {"Entrypoint": [format!("/{}", self.file_name)]},
                    "rootfs": {"type": "layers", "diff_ids": []},
                });
                (IMAGE_CONFIG_MEDIA_TYPE, layer, config)
            }
        };
        let config = serde_json::to_vec(&config)?;
        let title = (
            "org.opencontainers.image.title".to_owned(),
            self.file_name.to_owned(),
        );
        let mut layer = descriptor(layer_type, &layer_digest, self.wasm.len());
        layer.annotations = Some(BTreeMap::from([title]));
        let config_digest = Digest::of(&config);
        let manifest = OciImageManifest {
            media_type: Some(OCI_IMAGE_MEDIA_TYPE.to_owned()),
            config: descriptor(config_type, &config_digest, config.len()),
            layers: vec![layer],
            annotations: (!self.annotations.is_empty()).then(|| self.annotations.clone()),
            ..OciImageManifest::default()
        };
        let manifest = serde_json::to_vec(&manifest)?;
        Ok(Package {
            manifest_digest: Digest::of(&manifest),
            config,
            config_digest,
            layer_digest,
            manifest,
        })
    }
}

fn descriptor(media_type: &str, digest: &Digest, len: usize) -> OciDescriptor {
    OciDescriptor {
        media_type: media_type.to_owned(),
        digest: digest.to_string(),
        size: i64::try_from(len).unwrap_or(i64::MAX),
        ..OciDescriptor::default()
    }
}

/// Seconds since 1970 as RFC 3339 has them, in UTC.
fn rfc3339(seconds: u64) -> String {
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    // Years that begin in March put the leap day at their end; 719,468 days lie between 0000-03-01 and 1970-01-01,
    // 146,097 in the 400 years after which the calendar repeats itself.
    let days = seconds / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = era * 400 + year + next;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use oci_client::manifest::OciManifest;

    use super::*;
    use crate::format::{self, Format};

    fn package(content: Content, format: PushFormat) -> Package {
        let interfaces = Interfaces {
            imports: vec!["a:b/c".to_owned()],
            exports: vec!["x:y/z".to_owned()],
        };
        let annotations = BTreeMap::new();
        let ingredients = Ingredients {
            wasm: b"bytes",
            content,
            format,
            file_name: "app.wasm",
            annotations: &annotations,
            interfaces: Some(&interfaces),
            created: 0,
        };
        assert_eq!(
            ingredients.package().unwrap(),
            ingredients.package().unwrap(),
            "reproducible"
        );
        ingredients.package().unwrap()
    }

    #[test]
    fn what_we_pack_we_recognise() {
        for (content, pushed, format) in [
            (Content::Component, PushFormat::WasmArtifact, Format::WasmArtifact),
            (Content::Component, PushFormat::WasmImage, Format::WasmImage),
            (Content::Module, PushFormat::WasmImage, Format::WasmImage),
        ] {
            let package = package(content, pushed);
            let OciManifest::Image(manifest) = format::parse_manifest(&package.manifest).unwrap() else {
                panic!("an index");
            };
            let layer = format::choose_layer(&manifest).unwrap();
            assert_eq!((layer.format, layer.digest), (format, Digest::of(b"bytes")));
        }
    }

    #[test]
    fn the_configs_hold_what_their_readers_need() {
        let json = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
        let artifact = json(&package(Content::Component, PushFormat::WasmArtifact).config);
        assert_eq!(artifact["created"], "1970-01-01T00:00:00Z");
        assert_eq!(artifact["os"], "wasip2");
        assert_eq!(artifact["layerDigests"][0], Digest::of(b"bytes").as_str());
        assert_eq!(artifact["component"]["imports"][0], "a:b/c");
        let image = json(&package(Content::Module, PushFormat::WasmImage).config);
        assert_eq!(image["os"], "wasip1");
        assert_eq!(image["config"]["Entrypoint"][0], "/app.wasm");
        assert_eq!(image["rootfs"]["diff_ids"], json!([]));
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (1_709_251_200, "2024-03-01T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds), expected);
        }
    }
}
