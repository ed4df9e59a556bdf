//! A store in a file: what was acknowledged is on disk, through a crash of the process or of the machine. The file is one of redb's,
//! and has one writer. How it is opened, and opened again after an error, is in `file`; how writes are put together in `writer`.
//!
//! ```text
//! set, delete, increment, … ── queue ──> writer's thread: many operations, one transaction, one fsync ──> each is answered
//! get, exists, list ── a thread for blocking work, on the last commit
//! ```

mod file;
mod writer;

pub use file::{Damaged, OpenError};

use super::sizes::{PAGE, Pages};
use super::{KeyValue, KeyValueError, Keys, Sizes};
use async_trait::async_trait;
use file::{At, File};
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};
use writer::{Change, Done, Job};

/// A store in a file. The file is closed when it is dropped.
#[derive(Debug)]
pub struct Persistent {
    sizes: Sizes,
    file: Arc<File>,
    jobs: Option<mpsc::Sender<Job>>,
    writer: Option<std::thread::JoinHandle<()>>,
    pages: Mutex<Pages<String>>,
}

/// Operations that wait for the writer. Further callers wait for a place.
const QUEUE: usize = 1024;

impl Persistent {
    /// Opens the store in this file, or makes one.
    ///
    /// # Errors
    ///
    /// Where another process has it open, where the file is no store, and where the system refuses.
    pub fn open(path: &Path, sizes: Sizes) -> Result<Self, OpenError> {
        Self::at(At::Path(path.to_owned()), sizes)
    }

    /// Opens the store in a file that is open for reading and writing, or makes one in it. Messages call the file by `name`.
    ///
    /// # Errors
    ///
    /// As [`Persistent::open`].
    pub fn of_file(file: std::fs::File, name: &Path, sizes: Sizes) -> Result<Self, OpenError> {
        Self::at(At::Given(file, name.to_owned()), sizes)
    }

    fn at(at: At, sizes: Sizes) -> Result<Self, OpenError> {
        let file = Arc::new(File::open(at)?);
        let (jobs, queue) = mpsc::channel(QUEUE);
        let writer = {
            let file = Arc::clone(&file);
            std::thread::Builder::new()
                .name("store".to_owned())
                .spawn(move || writer::run(&file, queue))
        };
        let writer = writer.map_err(|source| OpenError::Io {
            path: file.path().to_owned(),
            source,
        })?;
        Ok(Self {
            sizes,
            file,
            jobs: Some(jobs),
            writer: Some(writer),
            pages: Mutex::default(),
        })
    }

    async fn change(&self, changes: Vec<Change>) -> Result<Done, KeyValueError> {
        let (answer, answered) = oneshot::channel();
        let job = Job { changes, answer };
        let sent = match &self.jobs {
            Some(jobs) => jobs.send(job).await.is_ok(),
            None => false,
        };
        let ended = || KeyValueError::Backend {
            reason: "its writer has ended".to_owned(),
        };
        if !sent {
            return Err(ended());
        }
        answered.await.map_err(|_| ended())?
    }

    /// Reads where blocking does no harm.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&File) -> Result<T, KeyValueError> + Send + 'static,
    ) -> Result<T, KeyValueError> {
        let file = Arc::clone(&self.file);
        let reading = tokio::task::spawn_blocking(move || read(&file));
        reading.await.map_err(|_| KeyValueError::Backend {
            reason: "reading was cut off, for the process is ending".to_owned(),
        })?
    }

    fn pages(&self) -> std::sync::MutexGuard<'_, Pages<String>> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Persistent {
    fn drop(&mut self) {
        // The writer ends with its queue. It is waited for, so that the file may be opened again from here on.
        drop(self.jobs.take());
        if let Some(writer) = self.writer.take() {
            drop(writer.join());
        }
    }
}

#[async_trait]
impl KeyValue for Persistent {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        let key = key.to_owned();
        self.read(move |file| file.get(&key)).await
    }

    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), KeyValueError> {
        self.set_many(vec![(key.to_owned(), value)]).await
    }

    async fn delete(&self, key: &str) -> Result<(), KeyValueError> {
        self.delete_many(&[key.to_owned()]).await
    }

    async fn exists(&self, key: &str) -> Result<bool, KeyValueError> {
        let key = key.to_owned();
        self.read(move |file| Ok(file.get(&key)?.is_some())).await
    }

    async fn list_keys(&self, cursor: Option<u64>) -> Result<Keys, KeyValueError> {
        let from = match cursor {
            None => Bound::Unbounded,
            Some(cursor) => match self.pages().end(cursor) {
                Some(last) => Bound::Excluded(last.clone()),
                None => return Ok(Keys::default()),
            },
        };
        let mut keys = self.read(move |file| file.keys(from, PAGE + 1)).await?;
        let more = keys.len() > PAGE;
        keys.truncate(PAGE);
        let last = keys.last().filter(|_| more).cloned();
        Ok(Keys {
            cursor: last.map(|last| self.pages().remember(last)),
            keys,
        })
    }

    async fn increment(&self, key: &str, delta: u64) -> Result<u64, KeyValueError> {
        self.sizes.key(key)?;
        let key = key.to_owned();
        let done = self.change(vec![Change::Increment { key, delta }]).await?;
        Ok(done.number)
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        new: Option<Vec<u8>>,
    ) -> Result<bool, KeyValueError> {
        self.sizes.entry(key, new.as_deref().unwrap_or_default())?;
        let change = Change::Swap {
            key: key.to_owned(),
            expected: expected.map(<[u8]>::to_vec),
            new,
        };
        Ok(self.change(vec![change]).await?.swapped)
    }

    /// In one step: all of them are set, or none.
    async fn set_many(&self, pairs: Vec<(String, Vec<u8>)>) -> Result<(), KeyValueError> {
        for (key, value) in &pairs {
            self.sizes.entry(key, value)?;
        }
        let set = |(key, value)| Change::Set { key, value };
        self.change(pairs.into_iter().map(set).collect()).await?;
        Ok(())
    }

    /// In one step: all of them are removed, or none.
    async fn delete_many(&self, keys: &[String]) -> Result<(), KeyValueError> {
        let delete = |key: &String| Change::Delete { key: key.clone() };
        self.change(keys.iter().map(delete).collect()).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
