//! Which layer of a manifest is the WebAssembly, and in which of the formats it came. Pure functions over bytes
//! from outside; every one of them may be fuzzed.
//!
//! The formats, by the media types that tell them apart:
//! - CNCF's wasm artifact, as `wkg` pushes it: config `application/vnd.wasm.config.v0+json`, layer
//!   `application/wasm`;
//! - runwasi's image: a layer of another `…+wasm` type, such as
//!   `application/vnd.bytecodealliance.wasm.component.layer.v0+wasm`;
//! - Spin's: a layer `application/vnd.wasm.content.layer.v1+wasm`;
//! - an ordinary image: one tar layer, in which lies exactly one `.wasm`.

use std::fmt;
use std::io::Cursor;

use oci_client::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, ImageIndexEntry, OCI_IMAGE_INDEX_MEDIA_TYPE,
    OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageIndex, OciImageManifest, OciManifest,
};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::excerpt::excerpt;
use crate::magic::{self, Content};
use crate::options::{DEFAULT_MAX_SIZE, MAX_MANIFEST_SIZE};
use crate::unpack::{Packing, unpack_tar};
use crate::{ArtifactError, Digest};

/// The config of CNCF's wasm artifact.
pub const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// The layer of CNCF's wasm artifact.
pub const WASM_LAYER: &str = "application/wasm";
/// The layer that Spin pushes.
pub const SPIN_LAYER: &str = "application/vnd.wasm.content.layer.v1+wasm";
/// The layer of runwasi's images that hold a component.
pub const RUNWASI_COMPONENT_LAYER: &str = "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm";
/// The layer of runwasi's images that hold a core module.
pub const RUNWASI_MODULE_LAYER: &str = "application/vnd.w3c.wasm.module.v1+wasm";

/// In which format an artifact came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// CNCF's wasm artifact, as `wkg` makes it.
    WasmArtifact,
    /// An image with a wasm layer, as runwasi takes it.
    WasmImage,
    /// Spin's content layer.
    SpinLayer,
    /// A tar layer with one `.wasm` file.
    TarLayer,
    /// A file, outside any image.
    File,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WasmArtifact => "wasm artifact",
            Self::WasmImage => "wasm image",
            Self::SpinLayer => "Spin layer",
            Self::TarLayer => "tar layer",
            Self::File => "file",
        })
    }
}

/// The layer that holds the WebAssembly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Its media type, as the manifest has it.
    pub media_type: String,
    /// The digest of its bytes.
    pub digest: Digest,
    /// The number of its bytes.
    pub size: u64,
    /// How the WebAssembly lies in it.
    pub packing: Packing,
    /// The format that follows.
    pub format: Format,
}

/// Parses an image manifest or an image index, OCI's or Docker's (schema 2), of at most
/// [`MAX_MANIFEST_SIZE`] bytes.
pub fn parse_manifest(bytes: &[u8]) -> Result<OciManifest, ArtifactError> {
    /// Says which of the two it is without reading on: both at once is refused, since readers that disagree
    /// about it can be shown different images (CVE-2021-41190).
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Probe {
        schema_version: Option<u64>,
        media_type: Option<String>,
        manifests: Option<IgnoredAny>,
        layers: Option<IgnoredAny>,
    }
    let bad = |reason: String| ArtifactError::BadManifest {
        what: "the manifest".to_owned(),
        reason,
    };
    let json = |error: serde_json::Error| bad(excerpt(&error.to_string(), 200));
    if bytes.len() as u64 > MAX_MANIFEST_SIZE {
        return Err(ArtifactError::TooLarge {
            what: "the manifest".to_owned(),
            limit: MAX_MANIFEST_SIZE,
        });
    }
    let probe: Probe = serde_json::from_slice(bytes).map_err(json)?;
    match probe.schema_version {
        Some(2) => {}
        Some(version) => return Err(bad(format!("schemaVersion {version} is not supported, only 2"))),
        None => return Err(bad("schemaVersion is missing".to_owned())),
    }
    let media_type = probe.media_type.as_deref();
    let image = matches!(
        media_type,
        None | Some(OCI_IMAGE_MEDIA_TYPE | IMAGE_MANIFEST_MEDIA_TYPE)
    );
    let index = matches!(
        media_type,
        None | Some(OCI_IMAGE_INDEX_MEDIA_TYPE | IMAGE_MANIFEST_LIST_MEDIA_TYPE)
    );
    match (probe.layers.is_some(), probe.manifests.is_some()) {
        (true, false) if image => serde_json::from_slice(bytes)
            .map(OciManifest::Image)
            .map_err(json),
        (false, true) if index => serde_json::from_slice(bytes)
            .map(OciManifest::ImageIndex)
            .map_err(json),
        (true, true) => Err(bad("it has both layers and manifests".to_owned())),
        (false, false) => Err(bad("it has neither layers nor manifests".to_owned())),
        _ => {
            let media_type = excerpt(media_type.unwrap_or_default(), 100);
            Err(bad(format!(
                "its mediaType {media_type} does not fit what it holds"
            )))
        }
    }
}

/// Picks the image for WebAssembly from an index: platform `wasm` (Docker also writes `wasi/wasm`), preferring
/// `wasip2`; or the only image there is, attestations aside. Returns its digest and size.
pub fn choose_platform(index: &OciImageIndex) -> Result<(Digest, u64), ArtifactError> {
    let images: Vec<&ImageIndexEntry> = index
        .manifests
        .iter()
        .filter(|entry| !is_attestation(entry))
        .collect();
    let rank = |entry: &ImageIndexEntry| {
        let platform = entry.platform.as_ref()?;
        let (os, architecture) = (platform.os.to_string(), platform.architecture.to_string());
        let wasm = matches!(architecture.as_str(), "wasm" | "wasm32") || os.starts_with("wasi");
        wasm.then_some(match os.as_str() {
            "wasip3" => 3,
            "wasip2" => 4,
            "wasip1" => 1,
            _ => 2,
        })
    };
    // The first of several that rank alike, as containerd picks: max_by_key alone would give the last.
    let best = images
        .iter()
        .rev()
        .filter_map(|entry| Some((rank(entry)?, entry)))
        .max_by_key(|(rank, _)| *rank);
    let chosen = match (best, images.as_slice()) {
        (Some((_, entry)), _) => entry,
        (None, [only]) => only,
        (None, _) => {
            let platforms: Vec<String> = images
                .iter()
                .take(10)
                .map(|entry| match &entry.platform {
                    Some(platform) => format!("{}/{}", platform.os, platform.architecture),
                    None => "unknown".to_owned(),
                })
                .collect();
            let platforms = excerpt(&platforms.join(", "), 300);
            return Err(ArtifactError::NoPlatform {
                count: images.len(),
                platforms,
            });
        }
    };
    Ok((
        Digest::parse(&chosen.digest)?,
        positive("the manifest", chosen.size)?,
    ))
}

/// Docker's buildx puts provenance beside each image, as an entry of its own.
fn is_attestation(entry: &ImageIndexEntry) -> bool {
    let annotations = entry.annotations.as_ref();
    annotations.is_some_and(|annotations| annotations.contains_key("vnd.docker.reference.type"))
}

/// Picks the layer with the WebAssembly.
pub fn choose_layer(manifest: &OciImageManifest) -> Result<Layer, ArtifactError> {
    let of_kind = |packing: Packing| -> Vec<&OciDescriptor> {
        manifest
            .layers
            .iter()
            .filter(|layer| packing_of(&layer.media_type) == Some(packing))
            .collect()
    };
    let (packing, candidates) = match of_kind(Packing::Raw) {
        raw if raw.is_empty() => (Packing::Tar, of_kind(Packing::Tar)),
        raw => (Packing::Raw, raw),
    };
    match candidates.as_slice() {
        [] => Err(ArtifactError::NoWasmLayer {
            layers: media_types(&manifest.layers.iter().collect::<Vec<_>>()),
        }),
        [layer] => Ok(Layer {
            media_type: layer.media_type.clone(),
            digest: Digest::parse(&layer.digest)?,
            size: positive("the layer", layer.size)?,
            packing,
            format: match (packing, layer.media_type.as_str()) {
                (Packing::Tar, _) => Format::TarLayer,
                (Packing::Raw, SPIN_LAYER) => Format::SpinLayer,
                (Packing::Raw, _) if manifest.config.media_type == WASM_CONFIG => Format::WasmArtifact,
                (Packing::Raw, _) => Format::WasmImage,
            },
        }),
        several => Err(ArtifactError::SeveralLayers {
            count: several.len(),
            layers: media_types(several),
        }),
    }
}

fn media_types(layers: &[&OciDescriptor]) -> String {
    let types: Vec<&str> = layers
        .iter()
        .take(10)
        .map(|layer| layer.media_type.as_str())
        .collect();
    if types.is_empty() {
        "none".to_owned()
    } else {
        excerpt(&types.join(", "), 400)
    }
}

fn positive(what: &str, size: i64) -> Result<u64, ArtifactError> {
    u64::try_from(size).map_err(|_negative| ArtifactError::BadManifest {
        what: what.to_owned(),
        reason: format!("a size of {size} bytes is impossible"),
    })
}

/// How a layer of this media type holds WebAssembly; `None` if it does not.
fn packing_of(media_type: &str) -> Option<Packing> {
    match media_type {
        WASM_LAYER => Some(Packing::Raw),
        _ if media_type.ends_with("+wasm") => Some(Packing::Raw),
        "application/vnd.oci.image.layer.v1.tar"
        | "application/vnd.oci.image.layer.v1.tar+gzip"
        | "application/vnd.docker.image.rootfs.diff.tar"
        | "application/vnd.docker.image.rootfs.diff.tar.gzip" => Some(Packing::Tar),
        _ => None,
    }
}

/// Compares what a layer is with what its label says. True: it is gzipped.
pub(crate) fn check_label(media_type: &str, packing: Packing, head: &[u8]) -> Result<bool, ArtifactError> {
    match (packing, magic::sniff(head)) {
        (Packing::Raw, Content::Component | Content::Module) => Ok(false),
        // An archive without a ustar header is an old tar, or nothing: the unpacking will tell.
        (Packing::Tar, Content::Tar | Content::Unknown) => Ok(false),
        (Packing::Tar, Content::Gzip) => Ok(true),
        (_, found) => Err(ArtifactError::Mislabelled {
            media_type: media_type.to_owned(),
            found: found.describe(),
        }),
    }
}

/// The WebAssembly in a layer of the given media type, all in memory: for layers at hand, and for fuzzing. Its
/// limit is [`DEFAULT_MAX_SIZE`].
pub fn unpack_layer(media_type: &str, bytes: &[u8]) -> Result<Vec<u8>, ArtifactError> {
    let layers = || excerpt(media_type, 100);
    let packing = packing_of(media_type).ok_or_else(|| ArtifactError::NoWasmLayer { layers: layers() })?;
    let gzip = check_label(media_type, packing, bytes)?;
    let wasm = match packing {
        Packing::Raw => bytes.to_vec(),
        Packing::Tar => {
            let mut out = Vec::new();
            unpack_tar(media_type, gzip, &mut &*bytes, &mut out, DEFAULT_MAX_SIZE)?;
            out
        }
    };
    let what = format!("the {media_type} layer");
    match magic::check_wasm(&what, &mut Cursor::new(&wasm), wasm.len() as u64) {
        Ok(checked) => checked.map(|_content| wasm),
        Err(error) => Err(ArtifactError::BadArchive {
            media_type: media_type.to_owned(),
            reason: error.to_string(),
        }),
    }
}

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;
