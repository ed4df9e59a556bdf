//! The last steps before bytes are believed: a verified layer, or a file, is unpacked, looked at and moved into the
//! cache under the digest of its WebAssembly. Everything here blocks.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use crate::digest::Hasher;
use crate::error::IoContext;
use crate::format::{self, Format, Layer};
use crate::pins::Pin;
use crate::pull::LAYER;
use crate::reserve::Hashing;
use crate::staging::Staging;
use crate::unpack::{self, Packing};
use crate::{Artifact, ArtifactError, Cache, Digest, magic};

const WASM: &str = "wasm";

/// Takes the layer that lies verified in the staging folder.
pub(crate) fn layer(
    cache: &Cache,
    staging: &Staging,
    layer: &Layer,
    limit: u64,
) -> Result<Installed, ArtifactError> {
    let path = staging.path(LAYER);
    let mut input = File::open(&path).io("open", &path)?;
    let head = magic::head(&mut input).io("read", &path)?;
    let gzip = format::check_label(&layer.media_type, layer.packing, &head)?;
    let what = format!("the {} layer", layer.media_type);
    match layer.packing {
        Packing::Raw => {
            let digest = match layer.digest.is_sha256() {
                true => layer.digest.clone(),
                false => digest_of(&path)?,
            };
            install(cache, staging, LAYER, &what, digest)
        }
        Packing::Tar => {
            let mut out = Hashing::create(staging, WASM, layer.size)?;
            let unpacked = unpack::unpack_tar(
                &layer.media_type,
                gzip,
                &mut BufReader::new(input),
                &mut out,
                limit,
            );
            let digest = out.finish(unpacked)?;
            install(cache, staging, WASM, &what, digest)
        }
    }
}

/// Takes a file from anywhere, which may change or be replaced meanwhile: what counts is the copy.
pub(crate) fn file(cache: &Cache, path: &Path, limit: u64) -> Result<Installed, ArtifactError> {
    let input = open_regular(path)?;
    let staging = cache.staging()?;
    let mut out = Hashing::create(&staging, WASM, 0)?;
    let copied = io::copy(&mut input.take(limit.saturating_add(1)), &mut out).io("copy", path);
    let size = *copied.as_ref().unwrap_or(&0);
    let digest = out.finish(copied)?;
    let what = path.display().to_string();
    if size > limit {
        return Err(ArtifactError::TooLarge { what, limit });
    }
    install(cache, &staging, WASM, &what, digest)
}

/// Opens a file for reading. A named pipe or a device, which might never end or never begin, is refused.
pub(crate) fn open_regular(path: &Path) -> Result<File, ArtifactError> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .io("open", path)?;
    if file.metadata().io("look at", path)?.is_file() {
        return Ok(file);
    }
    Err(io::Error::other("it is not a regular file")).io("read", path)
}

/// Verifies that the staged file is WebAssembly and moves it to its place.
pub(crate) fn install(
    cache: &Cache,
    staging: &Staging,
    name: &str,
    what: &str,
    digest: Digest,
) -> Result<Installed, ArtifactError> {
    let path = staging.path(name);
    let file = File::open(&path).io("open", &path)?;
    let size = file.metadata().io("look at", &path)?.len();
    magic::check_wasm(what, &mut BufReader::new(file), size).io("read", &path)??;
    // What somebody uses is not written anew, or there would be two of it.
    if let Some(found) = found(cache, digest.clone())? {
        return Ok(found);
    }
    let target = cache.blob(&digest);
    let pin = cache.hold(&path, &target)?;
    staging.install(name, &target)?;
    Ok(Installed { digest, size, pin })
}

/// The WebAssembly with this digest, if it is here and whole.
pub(crate) fn found(cache: &Cache, digest: Digest) -> Result<Option<Installed>, ArtifactError> {
    // First, so that it stays what is verified.
    let Some(pin) = cache.pin(&cache.blob(&digest))? else {
        return Ok(None);
    };
    let size = cache.verified(&digest)?;
    Ok(size.map(|size| Installed { digest, size, pin }))
}

/// WebAssembly that is in the cache.
pub(crate) struct Installed {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) pin: Pin,
}

impl Installed {
    pub(crate) fn artifact(self, cache: &Cache, format: Format, resolved: Option<String>) -> Artifact {
        Artifact {
            path: cache.blob(&self.digest),
            digest: self.digest,
            size: self.size,
            format,
            pin: self.pin,
            reference_resolved: resolved,
        }
    }
}

fn digest_of(path: &Path) -> Result<Digest, ArtifactError> {
    let mut hasher = Hasher::sha256();
    let mut file = File::open(path).io("open", path)?;
    crate::cache::hash(&mut file, &mut hasher).io("read", path)?;
    Ok(hasher.finish())
}
