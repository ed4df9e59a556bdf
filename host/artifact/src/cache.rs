//! The cache's folder: where things lie in it, who may own them, what it knows of references. How bytes get there
//! is in `fetch`, how compiled files do in `compiled`.
//!
//! ```text
//! blobs/sha256/<digest>                     WebAssembly, by its own digest, whatever it was packed in
//! compiled/<fingerprint>/<digest>.cwasm     native code for one build of the engine
//! compiled/<fingerprint>/<digest>.json      its description; written last, so its presence says complete
//! index/<hash>.json                         what a reference was resolved to
//! locks/ tmp/                               of pulls and compilations that are under way
//! leases/<process>/                         links to what a process uses, see `pins`
//! size                                      the sum of all sizes, see `room`
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use crate::digest::Hasher;
use crate::error::IoContext;
use crate::format::Format;
use crate::lock::{self, FileLock, Flights};
use crate::pins::{self, Pin, Pins};
use crate::room::{CacheLimits, Room, on_disk};
use crate::staging::{self, Staging};
use crate::{ArtifactError, Digest};

/// Verified WebAssembly in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// The SHA-256 digest of the WebAssembly itself.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Where it lies in the cache.
    pub path: PathBuf,
    /// In which format it came.
    pub format: Format,
    /// Keeps it in the cache.
    pub pin: Pin,
    /// Where it came from, pinned: `registry/repository@sha256:…`, or `oci:folder@sha256:…`; the digest is that of
    /// the manifest. `None` for a file.
    pub reference_resolved: Option<String>,
}

/// A cache of artifacts and compiled files. Cheap to clone; several processes may share the folder.
#[derive(Clone)]
pub struct Cache {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) room: Arc<Room>,
    pub(crate) pins: Arc<Pins>,
    pub(crate) fetches: Flights<Result<Artifact, Arc<ArtifactError>>>,
    pub(crate) compilations: Flights<Result<crate::Compiled, Arc<ArtifactError>>>,
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache")
            .field("root", &self.inner.room.root())
            .finish_non_exhaustive()
    }
}

/// The version of what is written beside artifacts and compiled files. 1 is that of Shoal 0.1.0, which says none. Several versions of Shoal
/// may share a cache: fields may be added, with a default; what can't be read is fetched and compiled again.
pub(crate) const VERSION: u32 = 2;

/// The version of an entry that says none.
pub(crate) fn first() -> u32 {
    1
}

/// What is remembered of a reference.
#[derive(Serialize, Deserialize)]
struct Record {
    /// See [`VERSION`].
    #[serde(default = "first")]
    version: u32,
    key: String,
    resolved: String,
    digest: Digest,
    size: u64,
    format: Format,
}

impl Cache {
    /// The folder used unless another is named: `$XDG_CACHE_HOME/shoal`, else `~/.cache/shoal`.
    pub fn default_dir() -> Result<PathBuf, ArtifactError> {
        let absolute = |name| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        absolute("XDG_CACHE_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
            .map(|base| base.join("shoal"))
            .ok_or(ArtifactError::NoCacheHome)
    }

    /// Opens the cache in `dir`, which is made if need be, and removes what writers that died left in it. Refused
    /// if the folder is not ours alone to write: compiled files from it are run as native code.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, ArtifactError> {
        Self::open_within(dir, CacheLimits::default())
    }

    /// The same, with limits of its own. What is in it beyond them goes when something is written.
    pub fn open_within(dir: impl AsRef<Path>, limits: CacheLimits) -> Result<Self, ArtifactError> {
        let dir = std::path::absolute(dir.as_ref()).io("find", dir.as_ref())?;
        make_folder(&dir)?;
        for name in [
            "blobs",
            "blobs/sha256",
            "compiled",
            "index",
            "locks",
            "tmp",
            "leases",
        ] {
            make_folder(&dir.join(name))?;
        }
        staging::sweep(&dir.join("tmp"))?;
        staging::sweep(&dir.join("leases"))?;
        lock::sweep(&dir.join("locks"))?;
        let pins = Pins::new(dir.join("leases"));
        let room = Arc::new(Room::new(dir, limits));
        room.recount()?;
        let inner = Inner {
            room,
            pins,
            fetches: Flights::new(),
            compilations: Flights::new(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The cache's folder.
    pub fn dir(&self) -> &Path {
        self.inner.room.root()
    }

    pub(crate) fn staging(&self) -> Result<Staging, ArtifactError> {
        Staging::new(&self.dir().join("tmp"), &self.inner.room)
    }

    pub(crate) fn blob(&self, digest: &Digest) -> PathBuf {
        self.dir().join("blobs/sha256").join(digest.hex())
    }

    /// The artifact with this digest, which was fetched or composed before.
    ///
    /// # Errors
    ///
    /// Where it is not here any more.
    pub fn held(&self, digest: &Digest) -> Result<Artifact, ArtifactError> {
        let path = self.blob(digest);
        // First, so that it stays what is looked at.
        let pin = self.pin_artifact(digest)?.unwrap_or_default();
        let size = fs::metadata(&path).io("look at", &path)?.len();
        Ok(Artifact {
            digest: digest.clone(),
            size,
            path,
            format: Format::File,
            pin,
            reference_resolved: None,
        })
    }

    /// The folder for compiled files of one build of the engine; made if need be.
    pub(crate) fn compiled_dir(&self, fingerprint: &str) -> Result<PathBuf, ArtifactError> {
        // It becomes a file name; one that could not be is replaced by its digest.
        let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
        let usable = (1..=128).contains(&fingerprint.len())
            && !fingerprint.starts_with('.')
            && fingerprint.bytes().all(plain);
        let digest = Digest::of(fingerprint.as_bytes());
        let dir = self
            .dir()
            .join("compiled")
            .join(if usable { fingerprint } else { digest.hex() });
        make_folder(&dir)?;
        Ok(dir)
    }

    /// Locks `key` among processes.
    pub(crate) async fn lock(&self, key: &str) -> Result<FileLock, ArtifactError> {
        let name = Digest::of(key.as_bytes());
        FileLock::acquire(self.dir().join("locks").join(name.hex())).await
    }

    /// The WebAssembly with this digest, if it is here and whole. Bytes that no longer have their digest (a bad
    /// disk) are thrown away, so that they are fetched again. Reads the file: call it where blocking is fine.
    pub(crate) fn verified(&self, digest: &Digest) -> Result<Option<u64>, ArtifactError> {
        let path = self.blob(digest);
        let Some(mut file) = open_ours(&path)? else {
            return Ok(None);
        };
        let mut hasher = digest.hasher();
        let size = hash(&mut file, &mut hasher).io("read", &path)?;
        if hasher.finish() == *digest {
            return Ok(Some(size));
        }
        tracing::warn!(path = %path.display(), "a cached artifact no longer has its digest and is removed");
        let mut tally = self.inner.room.lock()?;
        tally.change(|total| {
            fs::remove_file(&path).io("remove", &path)?;
            *total = total.saturating_sub(on_disk(size));
            Ok(None)
        })
    }

    fn record_path(&self, key: &str) -> PathBuf {
        self.dir()
            .join("index")
            .join(format!("{}.json", Digest::of(key.as_bytes()).hex()))
    }

    /// What was recorded under `key`, if its bytes are still here. Blocking.
    pub(crate) fn lookup(&self, key: &str) -> Result<Option<Artifact>, ArtifactError> {
        let path = self.record_path(key);
        let Some(file) = open_ours(&path)? else {
            return Ok(None);
        };
        // An unreadable record is as good as none: the registry is asked again, and the record replaced.
        let Ok(record) = serde_json::from_reader::<_, Record>(io::BufReader::new(file)) else {
            return Ok(None);
        };
        let path = self.blob(&record.digest);
        // First, so that it stays what is verified.
        let Some(pin) = self.inner.pins.pin(&self.inner.room, &path)? else {
            return Ok(None);
        };
        let whole = record.key == key && self.verified(&record.digest)? == Some(record.size);
        if whole {
            pins::touch(&self.record_path(key));
        }
        Ok(whole.then(|| Artifact {
            path,
            digest: record.digest,
            size: record.size,
            format: record.format,
            pin,
            reference_resolved: Some(record.resolved),
        }))
    }

    /// Remembers what `key` led to. Blocking.
    pub(crate) fn remember(&self, key: &str, artifact: &Artifact) -> Result<(), ArtifactError> {
        let Some(resolved) = artifact.reference_resolved.clone() else {
            return Ok(());
        };
        let record = Record {
            version: VERSION,
            key: key.to_owned(),
            resolved,
            digest: artifact.digest.clone(),
            size: artifact.size,
            format: artifact.format,
        };
        let staging = self.staging()?;
        let text = serde_json::to_vec(&record)
            .map_err(io::Error::from)
            .io("write", staging.path("record"))?;
        staging.reserve(text.len() as u64)?;
        staging
            .create("record")?
            .write_all(&text)
            .io("write", staging.path("record"))?;
        staging.install("record", &self.record_path(key))
    }
}

/// Feeds all of `file` to `hasher`; returns the number of bytes.
pub(crate) fn hash(file: &mut impl Read, hasher: &mut Hasher) -> io::Result<u64> {
    let mut buffer = vec![0; 1 << 17];
    let mut size = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(size),
            count => {
                hasher.update(buffer.get(..count).unwrap_or_default());
                size += count as u64;
            }
        }
    }
}

/// Makes a folder that only we may enter, unless it exists, and verifies that it is ours.
fn make_folder(path: &Path) -> Result<(), ArtifactError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .io("make the folder", path)?;
    let metadata = fs::metadata(path).io("look at", path)?;
    check_ours(path, &metadata)
}

/// Opens a file of the cache for reading; `None` if it is not there. Links, devices and files that others may have
/// written are refused.
pub(crate) fn open_ours(path: &Path) -> Result<Option<File>, ArtifactError> {
    // NONBLOCK: opening a named pipe must not wait for its writer.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = match OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
    {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Err(unsafe_cache(path, "it is a symbolic link".to_owned()));
        }
        Err(error) => return Err(error).io("open", path),
    };
    let metadata = file.metadata().io("look at", path)?;
    if !metadata.is_file() {
        return Err(unsafe_cache(path, "it is not a regular file".to_owned()));
    }
    check_ours(path, &metadata)?;
    Ok(Some(file))
}

fn check_ours(path: &Path, metadata: &fs::Metadata) -> Result<(), ArtifactError> {
    let us = rustix::process::geteuid().as_raw();
    let mode = metadata.mode() & 0o7777;
    if metadata.uid() != us {
        return Err(unsafe_cache(
            path,
            format!("it belongs to uid {}, and we are uid {us}", metadata.uid()),
        ));
    }
    if mode & 0o022 != 0 {
        return Err(unsafe_cache(
            path,
            format!("others may write to it (mode {mode:o})"),
        ));
    }
    Ok(())
}

fn unsafe_cache(path: &Path, reason: String) -> ArtifactError {
    ArtifactError::UnsafeCache {
        path: path.to_owned(),
        reason,
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
