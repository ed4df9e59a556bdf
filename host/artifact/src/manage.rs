//! What people and the node ask of the cache beside artifacts: what is in it, and that some of it goes.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::error::IoContext;
use crate::fetch::blocking;
use crate::pins::Pin;
use crate::scan::{self, CachedKind, Found};
use crate::{ArtifactError, Cache, Digest};

/// Something in the cache.
#[derive(Clone, Debug)]
pub struct CachedFile {
    /// What it is.
    pub kind: CachedKind,
    /// The digest of the WebAssembly that it is, was compiled from, or leads to; none of a record that can't be read.
    pub digest: Option<Digest>,
    /// The reference of a record. What linked components were composed to has none.
    pub reference: Option<String>,
    /// Its main file.
    pub path: PathBuf,
    /// Bytes on disk.
    pub size: u64,
    /// When it was last asked for.
    pub used: SystemTime,
    /// Whether somebody runs it or works on it now.
    pub in_use: bool,
}

/// What is to go. Nothing that is in use goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prune {
    /// Everything.
    All,
    /// What was not used for so long.
    Unused(Duration),
    /// The least recently used, until the cache is no larger.
    To(u64),
}

/// What went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// How many.
    pub count: usize,
    /// Their bytes on disk.
    pub bytes: u64,
}

impl Cache {
    /// All that is in the cache, the least recently used first. Blocking.
    ///
    /// # Errors
    ///
    /// What can go wrong with files.
    pub fn list(&self) -> Result<Vec<CachedFile>, ArtifactError> {
        let mut found = scan::all(self.dir(), None)?;
        found.sort_by_key(|it| it.candidate.used);
        Ok(found.iter().map(listed).collect())
    }

    /// Removes what is not in use. Blocking.
    ///
    /// # Errors
    ///
    /// What can go wrong with files.
    pub fn prune(&self, prune: Prune) -> Result<Pruned, ArtifactError> {
        let now = SystemTime::now();
        let size = self.usage()?.bytes;
        let unused = |found: &Found, longer: Duration| {
            let used = now.duration_since(found.candidate.used);
            used.is_ok_and(|it| it >= longer)
        };
        match prune {
            Prune::All => self.remove_unless_used(|_| true),
            Prune::Unused(longer) => self.remove_unless_used(|found| unused(found, longer)),
            Prune::To(wanted) => {
                let mut left = size.saturating_sub(wanted);
                self.remove_unless_used(move |found| {
                    let goes = left > 0;
                    left = left.saturating_sub(found.candidate.size);
                    goes
                })
            }
        }
    }

    /// Removes the record `key`, and with the last record that leads to an artifact all that was made of it: the artifact, its compiled
    /// files, and what was composed with it. Nothing goes while some of it is in use. Blocking.
    ///
    /// # Errors
    ///
    /// What can go wrong with files.
    pub fn forget(&self, digest: &Digest, key: &str) -> Result<Pruned, ArtifactError> {
        let found = scan::all(self.dir(), None)?;
        let mut gone = HashSet::from([digest.hex().to_owned()]);
        let (mut records, mut shared) = (HashSet::new(), false);
        for found in &found {
            let Some((name, leads_to)) = record(found) else {
                continue;
            };
            let composed = name.starts_with(COMPOSED) && name.contains(digest.as_str());
            if composed {
                gone.insert(leads_to.hex().to_owned());
            } else if name != key {
                shared |= leads_to == *digest;
                continue;
            }
            records.insert((found.path().to_owned(), composed));
        }
        if shared {
            let own = |it: &Found| records.contains(&(it.path().to_owned(), false));
            return self.remove_unless_used(own);
        }
        let made = |it: &Found| {
            let stem = it.path().file_stem().unwrap_or_default().to_string_lossy();
            it.kind != CachedKind::Record && gone.contains(stem.as_ref())
        };
        if found.iter().any(|it| it.candidate.in_use && made(it)) {
            return Ok(Pruned::default());
        }
        self.remove_unless_used(|it| {
            let path = it.path().to_owned();
            made(it) || records.contains(&(path.clone(), true)) || records.contains(&(path, false))
        })
    }

    /// Removes compiled files of other engines that nobody has used for as long as the limits say. Blocking.
    ///
    /// # Errors
    ///
    /// What can go wrong with files.
    pub fn remove_stale(&self) -> Result<Pruned, ArtifactError> {
        let (keep, now) = (self.inner.room.limits.keep_stale, SystemTime::now());
        let pruned = self.remove_unless_used(|found| {
            let used = now.duration_since(found.candidate.used).unwrap_or_default();
            found.candidate.stale && used >= keep
        })?;
        // Folders of engines that have no files any more; others are not empty.
        let compiled = self.dir().join("compiled");
        let engine = self.inner.room.engine();
        for folder in fs::read_dir(&compiled).io("list", &compiled)?.flatten() {
            if engine.as_deref().is_some_and(|it| folder.file_name() != it) {
                let _ = fs::remove_dir(folder.path());
            }
        }
        Ok(pruned)
    }

    /// Says which engine is compiled for, whose files lie in `dir`.
    pub(crate) async fn engine_is(&self, dir: &Path) -> Result<(), ArtifactError> {
        let engine = dir.file_name().unwrap_or_default().to_string_lossy();
        if !self.inner.room.set_engine(&engine) {
            return Ok(());
        }
        let cache = self.clone();
        let removed = blocking(move || cache.remove_stale()).await?;
        if removed.count > 0 {
            tracing::info!(
                files = removed.count,
                bytes = removed.bytes,
                "removed what was compiled for another engine"
            );
        }
        Ok(())
    }

    /// Removes those that are not in use and that `goes` names, the least recently used first.
    fn remove_unless_used(&self, mut goes: impl FnMut(&Found) -> bool) -> Result<Pruned, ArtifactError> {
        // Nobody begins to use something meanwhile.
        let mut tally = self.inner.room.lock()?;
        let mut found = scan::all(self.dir(), self.inner.room.engine().as_deref())?;
        found.sort_by_key(|it| it.candidate.used);
        found.retain(|it| !it.candidate.in_use && goes(it));
        let bytes = tally.remove(found.iter())?;
        Ok(Pruned {
            count: found.len(),
            bytes,
        })
    }

    /// Pins what is about to be installed at `path` and lies at `source` now.
    pub(crate) fn hold(&self, source: &Path, path: &Path) -> Result<Pin, ArtifactError> {
        Ok(self.inner.pins.hold(source, path)?.unwrap_or_default())
    }
}

/// How the key of a record of linked components begins.
pub(crate) const COMPOSED: &str = "compose ";

fn listed(found: &Found) -> CachedFile {
    let (digest, reference) = match record(found) {
        Some((key, digest)) => (Some(digest), Some(key).filter(|key| !key.starts_with(COMPOSED))),
        None => {
            let stem = found.path().file_stem().unwrap_or_default();
            let digest = Digest::parse(&format!("sha256:{}", stem.to_string_lossy()));
            (digest.ok().filter(|_| found.kind != CachedKind::Record), None)
        }
    };
    CachedFile {
        kind: found.kind,
        digest,
        reference,
        path: found.path().to_owned(),
        size: found.candidate.size,
        used: found.candidate.used,
        in_use: found.candidate.in_use,
    }
}

/// The key of a record, and what it leads to.
fn record(found: &Found) -> Option<(String, Digest)> {
    if found.kind != CachedKind::Record {
        return None;
    }
    let record: serde_json::Value = serde_json::from_slice(&fs::read(found.path()).ok()?).ok()?;
    let digest = Digest::parse(record.get("digest")?.as_str()?).ok()?;
    Some((record.get("key")?.as_str()?.to_owned(), digest))
}
