//! How files come into the cache: written in a folder of their own on the same file system, synced, renamed into
//! place. A writer holds a lock on its folder, so that what a dead one left behind can be told from what is being
//! written now.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::ArtifactError;
use crate::error::IoContext;
use crate::room::{Room, on_disk};

/// The file of a staging folder whose length is what is reserved for the folder's other files.
pub(crate) const RESERVED: &str = ".reserved";

/// Room is reserved in steps of this many bytes.
const STEP: u64 = 64 << 10;

/// A folder of this process; gone with everything in it when dropped.
pub(crate) struct Folder {
    dir: PathBuf,
    /// The open folder, locked (flock) for as long as its process lives.
    _lock: File,
}

impl Folder {
    /// Makes a folder in `parent`.
    pub(crate) fn new(parent: &Path) -> Result<Self, ArtifactError> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        loop {
            let nanos = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_nanos();
            let count = COUNTER.fetch_add(1, Ordering::Relaxed);
            let dir = parent.join(format!("{}-{count}-{nanos:x}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&dir) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error).io("make the folder", dir),
            }
            // A sweep may take the folder between mkdir and flock: then it is gone, and another is made.
            if let Some(lock) = lock_folder(&dir)? {
                return Ok(Self { dir, _lock: lock });
            }
        }
    }

    /// The path of a file in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Failing is no harm: the lock goes with us, and the next sweep takes the rest.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A folder for files that are not complete yet; gone with everything in it when dropped. Room in the cache is reserved for them before
/// they are written.
pub(crate) struct Staging {
    folder: Folder,
    room: Arc<Room>,
    reserved: Mutex<u64>,
}

impl Staging {
    /// Makes a folder in `tmp`, which must exist on the file system of the final place.
    pub(crate) fn new(tmp: &Path, room: &Arc<Room>) -> Result<Self, ArtifactError> {
        Ok(Self {
            folder: Folder::new(tmp)?,
            room: Arc::clone(room),
            reserved: Mutex::default(),
        })
    }

    /// The path of a file in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path(name)
    }

    /// Reserves room for `total` bytes of files that are in the folder, and not yet in place. Blocking.
    pub(crate) fn reserve(&self, total: u64) -> Result<(), ArtifactError> {
        let total = total.next_multiple_of(STEP);
        let mut tally = self.room.lock()?;
        let mut reserved = self.reserved();
        if total > *reserved {
            tally.take(total - *reserved)?;
            self.mark(total)?;
            *reserved = total;
        }
        Ok(())
    }

    fn reserved(&self) -> MutexGuard<'_, u64> {
        self.reserved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says to those who count anew what is reserved.
    fn mark(&self, total: u64) -> Result<(), ArtifactError> {
        self.create(RESERVED)?
            .set_len(total)
            .io("write", self.path(RESERVED))
    }

    /// Makes a file in the folder, readable and writable by us alone. One of that name is replaced.
    pub(crate) fn create(&self, name: &str) -> Result<File, ArtifactError> {
        let path = self.path(name);
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .io("create", path)
    }

    /// Syncs a file of the folder and renames it to `target`; from then on it is there after a power cut too.
    pub(crate) fn install(&self, name: &str, target: &Path) -> Result<(), ArtifactError> {
        let path = self.path(name);
        File::open(&path)
            .and_then(|file| file.sync_all())
            .io("sync", &path)?;
        self.rename(&path, target)?;
        let folder = target.parent().unwrap_or(target);
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .io("sync", folder)
    }

    /// What was reserved becomes what is there.
    fn rename(&self, path: &Path, target: &Path) -> Result<(), ArtifactError> {
        let size = |path: &Path| fs::metadata(path).map_or(0, |it| on_disk(it.len()));
        let (new, old) = (size(path), size(target));
        let mut tally = self.room.lock()?;
        let mut reserved = self.reserved();
        let left = reserved.saturating_sub(new);
        let before = *reserved + old;
        tally.change(|total| {
            fs::rename(path, target).io("rename into place", target)?;
            *total = total.saturating_sub(before) + left + new;
            self.mark(left)
        })?;
        *reserved = left;
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let reserved = *self.reserved();
        let returned = self.room.lock().and_then(|mut tally| {
            tally.change(|total| {
                // Before the sum shrinks: it counts what is there.
                let _ = fs::remove_dir_all(&self.folder.dir);
                *total = total.saturating_sub(reserved);
                Ok(())
            })
        });
        if let Err(error) = returned {
            tracing::warn!(%error, "can't give back room in the cache; it is counted anew when the cache is opened");
        }
    }
}

/// Whether the process that made a folder is gone.
pub(crate) fn is_abandoned(dir: &Path) -> bool {
    matches!(lock_folder(dir), Ok(Some(_)))
}

/// Locks a folder without waiting; `None` if it is locked already, or not there (any more).
fn lock_folder(dir: &Path) -> Result<Option<File>, ArtifactError> {
    let file = match File::open(dir) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).io("open the folder", dir),
    };
    match file.try_lock() {
        Ok(()) => Ok(is_still(&file, dir).io("look at", dir)?.then_some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error).io("lock", dir),
    }
}

/// Whether `path` still leads to the open `file`.
pub(crate) fn is_still(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes what writers that are no more left in `tmp`.
pub(crate) fn sweep(tmp: &Path) -> Result<(), ArtifactError> {
    for entry in fs::read_dir(tmp).io("list", tmp)? {
        let path = entry.io("list", tmp)?.path();
        if let Ok(Some(_lock)) = lock_folder(&path) {
            // A plain file can't be ours, but should not stay either.
            let removed = if path.is_dir() {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            if let Err(error) = removed {
                tracing::warn!(path = %path.display(), %error, "can't remove a stale temporary folder");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dead_writers_are_swept() {
        let tmp = tempfile::tempdir().unwrap();
        let live = Folder::new(tmp.path()).unwrap();
        fs::write(live.path("half"), b"x").unwrap();
        let dead = tmp.path().join("1-0-0");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join("half"), b"x").unwrap();
        fs::write(tmp.path().join("stray"), b"x").unwrap();
        sweep(tmp.path()).unwrap();
        assert!(live.path("half").exists());
        assert_eq!(fs::read_dir(tmp.path()).unwrap().count(), 1);
        drop(live);
        assert_eq!(fs::read_dir(tmp.path()).unwrap().count(), 0);
    }
}
