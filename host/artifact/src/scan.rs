//! What lies in the cache: a look at every file, its size, its last use, and whether somebody uses it.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::ArtifactError;
use crate::error::IoContext;
use crate::evict::Candidate;
use crate::room::on_disk;
use crate::staging::RESERVED;

/// What a file of the cache is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CachedKind {
    /// WebAssembly.
    Artifact,
    /// Native code, with what is known of it.
    Compiled,
    /// What a reference, or a composition, led to.
    Record,
}

/// Something in the cache that is removed as a whole.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) kind: CachedKind,
    /// Its files, in the order in which they are removed. Never empty.
    files: Vec<PathBuf>,
    pub(crate) candidate: Candidate,
}

impl Found {
    /// Its main file.
    pub(crate) fn path(&self) -> &Path {
        self.files.last().map_or(Path::new(""), PathBuf::as_path)
    }

    pub(crate) fn remove(&self) -> Result<(), ArtifactError> {
        for file in &self.files {
            match fs::remove_file(file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).io("remove", file);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Everything but what is being written. Compiled files of other engines than `engine` are stale, where it is known.
pub(crate) fn all(root: &Path, engine: Option<&str>) -> Result<Vec<Found>, ArtifactError> {
    let mut found = Vec::new();
    for (folder, kind) in [
        ("blobs/sha256", CachedKind::Artifact),
        ("index", CachedKind::Record),
    ] {
        for (path, metadata) in files(&root.join(folder))? {
            found.push(Found {
                kind,
                candidate: candidate(&metadata, metadata.len(), false),
                files: vec![path],
            });
        }
    }
    let compiled = root.join("compiled");
    for folder in fs::read_dir(&compiled).io("list", &compiled)? {
        let folder = folder.io("list", &compiled)?;
        let stale = engine.is_some_and(|engine| folder.file_name() != engine);
        for (path, metadata) in files(&folder.path())? {
            found.extend(code(path, &metadata, stale));
        }
    }
    Ok(found)
}

/// Native code with the description beside it, or one of both where the other is gone.
fn code(path: PathBuf, metadata: &Metadata, stale: bool) -> Option<Found> {
    let beside = path.with_extension("json");
    let is_beside = path == beside;
    if is_beside && path.with_extension("cwasm").exists() {
        return None;
    }
    let mut candidate = candidate(metadata, metadata.len(), stale);
    let mut files = vec![path];
    if !is_beside && let Ok(other) = fs::metadata(&beside) {
        candidate.size += on_disk(other.len());
        // The description says that the code is complete, so it goes first.
        files.insert(0, beside);
    }
    Some(Found {
        kind: CachedKind::Compiled,
        files,
        candidate,
    })
}

fn candidate(metadata: &Metadata, length: u64, stale: bool) -> Candidate {
    Candidate {
        size: on_disk(length),
        used: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
        // A worker, or a process that shares the cache, holds a link to what it uses.
        in_use: metadata.nlink() > 1,
        stale,
    }
}

fn files(folder: &Path) -> Result<Vec<(PathBuf, Metadata)>, ArtifactError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).io("list", folder)? {
        let entry = entry.io("list", folder)?;
        match entry.metadata() {
            Ok(metadata) if metadata.is_file() => files.push((entry.path(), metadata)),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).io("look at", entry.path()),
        }
    }
    files.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(files)
}

/// What writers that are under way have reserved.
pub(crate) fn reserved(root: &Path) -> Result<u64, ArtifactError> {
    let tmp = root.join("tmp");
    let mut bytes = 0;
    for folder in fs::read_dir(&tmp).io("list", &tmp)? {
        let folder = folder.io("list", &tmp)?.path();
        // Its writer is gone; an open cache sweeps it.
        if crate::staging::is_abandoned(&folder) {
            continue;
        }
        bytes += fs::metadata(folder.join(RESERVED)).map_or(0, |it| it.len());
    }
    Ok(bytes)
}
