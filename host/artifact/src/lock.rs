//! One at a time: a lock by name for tasks of this process that also hand on what the one before them got, and a
//! lock by file among processes.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::ArtifactError;
use crate::error::IoContext;
use crate::staging::is_still;

/// Runs operations of one name one after another; whoever asked while one was running gets its result, be it good
/// or bad, instead of running it again. Dropping the running one's future passes the turn to the next.
pub(crate) struct Flights<T> {
    slots: Mutex<HashMap<String, Weak<Slot<T>>>>,
}

struct Slot<T> {
    last: tokio::sync::Mutex<Option<(Instant, T)>>,
}

impl<T: Clone> Flights<T> {
    pub(crate) fn new() -> Self {
        Self {
            slots: Mutex::new(HashMap::new()),
        }
    }

    /// `waiting` is called if another runs already; what it returns is dropped when the waiting is over.
    pub(crate) async fn run<W>(
        &self,
        name: String,
        waiting: impl FnOnce() -> W,
        flight: impl Future<Output = T>,
    ) -> T {
        let asked = Instant::now();
        let slot = self.slot(name);
        let mut last = match slot.last.try_lock() {
            Ok(last) => last,
            Err(_busy) => {
                let _waiting = waiting();
                slot.last.lock().await
            }
        };
        if let Some((finished, result)) = &*last
            && *finished >= asked
        {
            return result.clone();
        }
        let result = flight.await;
        *last = Some((Instant::now(), result.clone()));
        result
    }

    fn slot(&self, name: String) -> Arc<Slot<T>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(&name).and_then(Weak::upgrade) {
            return slot;
        }
        slots.retain(|_, slot| slot.strong_count() > 0);
        let slot = Arc::new(Slot {
            last: tokio::sync::Mutex::new(None),
        });
        slots.insert(name, Arc::downgrade(&slot));
        slot
    }
}

/// A lock among processes, held until dropped. Its file is removed with it.
pub(crate) struct FileLock {
    path: PathBuf,
    _file: File,
}

impl FileLock {
    /// Waits for the lock. It polls, since a blocking flock can't be cancelled; the caller's timeout applies.
    pub(crate) async fn acquire(path: PathBuf) -> Result<Self, ArtifactError> {
        let mut pause = Duration::from_millis(5);
        loop {
            if let Some(file) = try_acquire(&path)? {
                return Ok(Self { path, _file: file });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }
}

/// Removes locks that nobody holds: a process that was killed leaves its file.
pub(crate) fn sweep(dir: &Path) -> Result<(), ArtifactError> {
    for entry in fs::read_dir(dir).io("list", dir)? {
        let path = entry.io("list", dir)?.path();
        if let Ok(Some(file)) = try_acquire(&path) {
            drop(FileLock { path, _file: file });
        }
    }
    Ok(())
}

/// `None`: someone else has it, or took the file away with the lock while we opened it.
fn try_acquire(path: &Path) -> Result<Option<File>, ArtifactError> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .io("open the lock", path)?;
    match file.try_lock() {
        Ok(()) => Ok(is_still(&file, path).io("look at", path)?.then_some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).io("lock", path),
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Before the lock goes: whoever opened this file meanwhile sees that the path leads elsewhere.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn those_who_wait_share_the_result() {
        let flights = Arc::new(Flights::new());
        let runs = Arc::new(AtomicU32::new(0));
        let tasks = (0..8).map(|_| {
            let (flights, runs) = (flights.clone(), runs.clone());
            tokio::spawn(async move {
                let flight = async {
                    tokio::task::yield_now().await;
                    runs.fetch_add(1, Ordering::Relaxed)
                };
                flights.run("x".to_owned(), || (), flight).await
            })
        });
        for result in futures::future::join_all(tasks).await {
            assert_eq!(result.unwrap(), 0);
        }
        let again = flights
            .run("x".to_owned(), || (), async {
                runs.fetch_add(1, Ordering::Relaxed)
            })
            .await;
        assert_eq!(again, 1, "one that asks later runs again");
    }

    #[tokio::test]
    async fn a_dropped_flight_passes_the_turn_on() {
        let flights = Flights::new();
        let hung = flights.run("x".to_owned(), || (), std::future::pending::<u32>());
        let mut hung = Box::pin(hung);
        assert!(futures::poll!(&mut hung).is_pending());
        let mut waited = false;
        let mut next = Box::pin(flights.run("x".to_owned(), || waited = true, async { 7 }));
        assert!(futures::poll!(&mut next).is_pending());
        drop(hung);
        assert_eq!(next.await, 7);
        assert!(waited);
    }

    #[tokio::test]
    async fn a_file_lock_excludes_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = FileLock::acquire(path.clone()).await.unwrap();
        assert!(try_acquire(&path).unwrap().is_none());
        fs::write(dir.path().join("dead"), b"").unwrap();
        sweep(dir.path()).unwrap();
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            1,
            "only the dead one's is gone"
        );
        assert!(try_acquire(&path).unwrap().is_none());
        drop(held);
        let again = FileLock::acquire(path).await.unwrap();
        drop(again);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
