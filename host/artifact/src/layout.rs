//! A folder in the OCI image layout → WebAssembly in the cache. The same checks as for a registry: the folder may
//! come from anywhere. Everything here blocks.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use oci_client::manifest::{OciImageManifest, OciManifest};

use crate::error::IoContext;
use crate::format::{self, Layer};
use crate::ingest::{self, open_regular};
use crate::options::MAX_MANIFEST_SIZE;
use crate::pull::LAYER;
use crate::{Artifact, ArtifactError, Cache, Digest};

/// Whether a folder says of itself that it is a layout.
pub(crate) fn is_layout(path: &Path) -> bool {
    path.join("oci-layout").is_file()
}

/// Takes the WebAssembly out of the layout in `dir`.
pub(crate) fn ingest(cache: &Cache, dir: &Path, limit: u64) -> Result<Artifact, ArtifactError> {
    let bad = |reason: &str| ArtifactError::BadLayout {
        path: dir.to_owned(),
        reason: reason.to_owned(),
    };
    if !is_layout(dir) {
        return Err(bad("the file oci-layout is missing"));
    }
    let bytes = read(&dir.join("index.json"))?;
    let OciManifest::ImageIndex(index) = format::parse_manifest(&bytes)? else {
        return Err(bad("its index.json is no index"));
    };
    let (digest, _size) = format::choose_platform(&index)?;
    let manifest = image_manifest(dir, &digest)?;
    let layer = format::choose_layer(&manifest)?;
    let staging = cache.staging()?;
    staging.reserve(layer.size.min(limit))?;
    copy(
        &blob(dir, &layer.digest),
        &layer,
        limit,
        &mut staging.create(LAYER)?,
    )?;
    let resolved = format!("oci:{}@{digest}", dir.display());
    let installed = ingest::layer(cache, &staging, &layer, limit)?;
    Ok(installed.artifact(cache, layer.format, Some(resolved)))
}

/// The manifest with this digest, or the one for WebAssembly in the index with it (as `docker buildx` nests them).
fn image_manifest(dir: &Path, digest: &Digest) -> Result<OciImageManifest, ArtifactError> {
    let index = match verified_manifest(dir, digest)? {
        OciManifest::Image(manifest) => return Ok(manifest),
        OciManifest::ImageIndex(index) => index,
    };
    let (inner, _size) = format::choose_platform(&index)?;
    match verified_manifest(dir, &inner)? {
        OciManifest::Image(manifest) => Ok(manifest),
        OciManifest::ImageIndex(_) => {
            let reason = "its indexes are nested too deeply".to_owned();
            Err(ArtifactError::BadLayout {
                path: dir.to_owned(),
                reason,
            })
        }
    }
}

fn verified_manifest(dir: &Path, digest: &Digest) -> Result<OciManifest, ArtifactError> {
    let path = blob(dir, digest);
    let bytes = read(&path)?;
    digest.verify(&path.display().to_string(), &bytes)?;
    format::parse_manifest(&bytes)
}

fn blob(dir: &Path, digest: &Digest) -> PathBuf {
    let algorithm = if digest.is_sha256() { "sha256" } else { "sha512" };
    dir.join("blobs").join(algorithm).join(digest.hex())
}

/// Reads a manifest, but no more than one may have.
fn read(path: &Path) -> Result<Vec<u8>, ArtifactError> {
    let mut bytes = Vec::new();
    open_regular(path)?
        .take(MAX_MANIFEST_SIZE + 1)
        .read_to_end(&mut bytes)
        .io("read", path)?;
    Ok(bytes)
}

/// Copies a layer, verifying size and digest.
fn copy(path: &Path, layer: &Layer, limit: u64, out: &mut File) -> Result<(), ArtifactError> {
    let what = path.display().to_string();
    if layer.size > limit {
        return Err(ArtifactError::TooLarge { what, limit });
    }
    let mut input = open_regular(path)?;
    let got = input.metadata().io("look at", path)?.len();
    if got != layer.size {
        let hint = "the layout is incomplete or was changed, make it again";
        return Err(ArtifactError::WrongSize {
            what,
            got,
            expected: layer.size,
            hint,
        });
    }
    io::copy(&mut input.by_ref().take(layer.size), out).io("copy", path)?;
    let mut hasher = layer.digest.hasher();
    io::Seek::rewind(out)
        .and_then(|()| crate::cache::hash(out, &mut hasher))
        .io("read back", path)?;
    layer.digest.compare(&what, hasher.finish())
}
