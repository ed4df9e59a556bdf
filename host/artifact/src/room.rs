//! How much the cache may hold. Whoever writes asks for room first, and gets it by removing what was not used for longest: so the files,
//! and those that are being written, never exceed the bound together. Which ones go is decided in `evict`.
//!
//! The sum of all sizes is in the file `size`, which each process locks while it changes the sum or removes files. A process that dies
//! in between leaves it marked, and the next one counts anew.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::ArtifactError;
use crate::error::IoContext;
use crate::evict::{self, Candidate};
use crate::scan::{self, Found};

/// The bound of a cache unless another is given: 10 GiB.
pub const DEFAULT_CACHE_SIZE: u64 = 10 << 30;

/// What a file takes on disk: whole blocks.
pub(crate) fn on_disk(length: u64) -> u64 {
    length.next_multiple_of(4096)
}

/// How much a cache may hold, and for how long what it does not need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLimits {
    /// Bytes of all its files together, half-written ones included.
    pub size: u64,
    /// How long compiled files of another build of the engine are kept after their last use.
    pub keep_stale: Duration,
}

impl Default for CacheLimits {
    /// 10 GiB, and a day for another engine's files: two versions that are used in turn keep theirs.
    fn default() -> Self {
        Self {
            size: DEFAULT_CACHE_SIZE,
            keep_stale: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// How full a cache is, and what this process removed from it to make room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheUsage {
    /// Bytes of all its files, half-written ones included.
    pub bytes: u64,
    /// What they may be.
    pub bound: u64,
    /// How many files were removed.
    pub evicted: u64,
    /// How many bytes they had.
    pub evicted_bytes: u64,
}

/// The room of one cache.
#[derive(Debug)]
pub(crate) struct Room {
    root: PathBuf,
    pub(crate) limits: CacheLimits,
    /// The fingerprint of the engine that is compiled for, once that is known.
    engine: Mutex<Option<String>>,
    evicted: AtomicU64,
    evicted_bytes: AtomicU64,
}

/// The sum, locked against all others.
pub(crate) struct Tally<'a> {
    room: &'a Room,
    file: File,
    pub(crate) total: u64,
}

impl Room {
    pub(crate) fn new(root: PathBuf, limits: CacheLimits) -> Self {
        Self {
            root,
            limits,
            engine: Mutex::default(),
            evicted: AtomicU64::default(),
            evicted_bytes: AtomicU64::default(),
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Learns which engine is compiled for; whether that is news.
    pub(crate) fn set_engine(&self, fingerprint: &str) -> bool {
        let mut engine = self.engine.lock().unwrap_or_else(|it| it.into_inner());
        let news = engine.as_deref() != Some(fingerprint);
        if news {
            *engine = Some(fingerprint.to_owned());
        }
        news
    }

    pub(crate) fn engine(&self) -> Option<String> {
        self.engine.lock().unwrap_or_else(|it| it.into_inner()).clone()
    }

    /// Locks the sum. Waits for others, who hold it for as long as it takes to remove some files.
    pub(crate) fn lock(&self) -> Result<Tally<'_>, ArtifactError> {
        let path = self.root.join("size");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .io("open", &path)?;
        file.lock().io("lock", &path)?;
        let mut tally = Tally {
            room: self,
            file,
            total: 0,
        };
        match tally.read().io("read", &path)? {
            Some(total) => tally.total = total,
            None => tally.recount()?,
        }
        Ok(tally)
    }

    /// Counts anew: at open, after whatever happened since.
    pub(crate) fn recount(&self) -> Result<(), ArtifactError> {
        let mut tally = self.lock()?;
        tally.recount()
    }

    pub(crate) fn usage(&self) -> Result<CacheUsage, ArtifactError> {
        Ok(CacheUsage {
            bytes: self.lock()?.total,
            bound: self.limits.size,
            evicted: self.evicted.load(Ordering::Relaxed),
            evicted_bytes: self.evicted_bytes.load(Ordering::Relaxed),
        })
    }
}

impl Tally<'_> {
    /// None where somebody died while changing something, or nobody has counted yet.
    fn read(&self) -> io::Result<Option<u64>> {
        let mut text = [0; 24];
        let count = self.file.read_at(&mut text, 0)?;
        let text = text.get(..count).unwrap_or_default();
        let text = std::str::from_utf8(text).unwrap_or_default();
        Ok(text.strip_prefix("1 ").and_then(|it| it.trim_end().parse().ok()))
    }

    fn write(&self, text: &str) -> Result<(), ArtifactError> {
        let line = format!("{text:<23}\n");
        let path = self.room.root.join("size");
        self.file.write_all_at(line.as_bytes(), 0).io("write", path)
    }

    /// Changes files and, by what it returns, the sum.
    pub(crate) fn change<T>(
        &mut self,
        work: impl FnOnce(&mut u64) -> Result<T, ArtifactError>,
    ) -> Result<T, ArtifactError> {
        self.write("changing")?;
        let result = work(&mut self.total);
        if result.is_ok() {
            self.write(&format!("1 {}", self.total))?;
        }
        result
    }

    fn recount(&mut self) -> Result<(), ArtifactError> {
        let root = self.room.root.clone();
        self.change(|total| {
            let files: u64 = scan::all(&root, None)?.iter().map(|it| it.candidate.size).sum();
            *total = files + scan::reserved(&root)?;
            Ok(())
        })
    }

    /// Makes room for `bytes` more, and counts them.
    pub(crate) fn take(&mut self, bytes: u64) -> Result<(), ArtifactError> {
        let bound = self.room.limits.size;
        if self.total + bytes > bound {
            // A sixteenth more than needed: looking for what goes costs a look at every file.
            self.free(self.total + bytes - bound, bound / 16)?;
        }
        if self.total + bytes > bound {
            // Others may have died with what they had reserved.
            self.recount()?;
        }
        if self.total + bytes > bound {
            return Err(ArtifactError::CacheFull {
                path: self.room.root.clone(),
                wanted: bytes,
                used: self.total,
                bound,
            });
        }
        self.change(|total| {
            *total += bytes;
            Ok(())
        })
    }

    /// Removes what was not used for longest.
    fn free(&mut self, needed: u64, beyond: u64) -> Result<(), ArtifactError> {
        let found = scan::all(&self.room.root, self.room.engine().as_deref())?;
        let candidates: Vec<Candidate> = found.iter().map(|it| it.candidate).collect();
        let chosen = evict::choose(&candidates, needed + beyond);
        let chosen = chosen.into_iter().filter_map(|at| found.get(at));
        self.remove(chosen)?;
        Ok(())
    }

    /// Removes these; returns how many bytes they had.
    pub(crate) fn remove<'f>(
        &mut self,
        found: impl Iterator<Item = &'f Found>,
    ) -> Result<u64, ArtifactError> {
        let room = self.room;
        self.change(|total| {
            let mut bytes = 0;
            for found in found {
                found.remove()?;
                tracing::debug!(path = %found.path().display(), size = found.candidate.size, "removed from the cache");
                room.evicted.fetch_add(1, Ordering::Relaxed);
                room.evicted_bytes.fetch_add(found.candidate.size, Ordering::Relaxed);
                bytes += found.candidate.size;
            }
            *total = total.saturating_sub(bytes);
            Ok(bytes)
        })
    }
}
