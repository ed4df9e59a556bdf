//! The file of a persistent store: opened under its lock, read, and opened again after an error of the disk.

use crate::keyvalue::KeyValueError;
use redb::backends::FileBackend;
use redb::{
    CommitError, Database, DatabaseError, ReadableDatabase, ReadableTable, StorageError, TableDefinition,
    TableError, TransactionError, WriteTransaction,
};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

/// Keys to values.
const ENTRIES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("entries");

/// Bytes of the file that are kept in memory; redb's own default is a gigabyte.
const CACHE: usize = 16 << 20;

/// How often, and after what pauses, a file is tried again that somebody has open: a process that is ending, more often than not.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// Why a store's file can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Somebody else writes to it.
    #[error(
        "{path} is open in another process, and a store has one writer: end that one, or give this service a volume of its own",
        path = path.display()
    )]
    Taken {
        /// The file.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("cannot open {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Its reason.
        source: io::Error,
    },
    /// The file holds something else, or was damaged.
    #[error(
        "{path} can't be read as a store: {source}; put back a copy of it, or move it away to begin with an empty store",
        path = path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Damaged,
    },
}

/// What redb says of a file.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Damaged(Box<dyn std::error::Error + Send + Sync>);

/// An open file; for a while none, where the disk failed and it could not be opened again yet.
#[derive(Debug)]
pub(super) struct File {
    at: At,
    database: RwLock<Option<Database>>,
}

/// Where a store's file is.
#[derive(Debug)]
pub(super) enum At {
    Path(PathBuf),
    /// Somebody else has opened it, and gave it this name for messages.
    Given(std::fs::File, PathBuf),
}

impl At {
    pub(super) fn path(&self) -> &Path {
        let (Self::Path(path) | Self::Given(_, path)) = self;
        path
    }

    fn database(&self) -> Result<Database, DatabaseError> {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE);
        match self {
            Self::Path(path) => builder.create(path),
            Self::Given(file, _) => {
                let file = file.try_clone().map_err(StorageError::from)?;
                builder.create_with_backend(FileBackend::new(file)?)
            }
        }
    }
}

impl File {
    pub(super) fn open(at: At) -> Result<Self, OpenError> {
        let database = open(&at)?;
        Ok(Self {
            at,
            database: RwLock::new(Some(database)),
        })
    }

    pub(super) fn path(&self) -> &Path {
        self.at.path()
    }

    pub(super) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        self.with(|database| {
            let table = database.begin_read()?.open_table(ENTRIES)?;
            Ok(table.get(key)?.map(|value| value.value().to_vec()))
        })
    }

    pub(super) fn keys(&self, from: Bound<String>, most: usize) -> Result<Vec<String>, KeyValueError> {
        let from = from.as_ref().map(String::as_str);
        self.with(|database| {
            let table = database.begin_read()?.open_table(ENTRIES)?;
            let entries = table.range::<&str>((from, Bound::Unbounded))?.take(most);
            Ok(entries
                .map(|entry| entry.map(|(key, _)| key.value().to_owned()))
                .collect::<Result<_, _>>()?)
        })
    }

    /// Changes entries in one transaction, which is on disk when this returns.
    pub(super) fn commit<T>(
        &self,
        change: impl FnOnce(&mut Entries<'_>) -> Result<T, Failed>,
    ) -> Result<T, Failed> {
        let result = self.with_database(|database| {
            let transaction = database.begin_write()?;
            let done = change(&mut Entries(&transaction))?;
            transaction.commit()?;
            Ok(done)
        });
        if let Err(Failed::Disk(_)) = result {
            self.reopen();
        }
        result
    }

    fn with<T>(&self, read: impl Fn(&Database) -> Result<T, Failed>) -> Result<T, KeyValueError> {
        let mut result = self.with_database(&read);
        if let Err(Failed::Disk(_)) = result {
            self.reopen();
            result = self.with_database(&read);
        }
        result.map_err(Failed::told)
    }

    fn with_database<T>(&self, work: impl FnOnce(&Database) -> Result<T, Failed>) -> Result<T, Failed> {
        let guard = self.database.read().unwrap_or_else(PoisonError::into_inner);
        match &*guard {
            Some(database) => work(database),
            None => Err(Failed::Disk(StorageError::PreviousIo)),
        }
    }

    /// After an error of the disk redb does nothing more with an open file: what it has in memory may not be what is on disk. Opened
    /// again, the file is as the last good commit left it.
    fn reopen(&self) {
        let mut guard = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // Its lock goes with it.
        drop(guard.take());
        match self.at.database() {
            Ok(database) => *guard = Some(database),
            Err(error) => tracing::warn!(
                "store {}: cannot be opened again after an error of the disk: {error}; trying again with the next call",
                self.path().display()
            ),
        }
    }
}

/// The entries inside a transaction.
pub(super) struct Entries<'a>(&'a WriteTransaction);

impl Entries<'_> {
    pub(super) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Failed> {
        let table = self.0.open_table(ENTRIES)?;
        let value = table.get(key)?.map(|value| value.value().to_vec());
        Ok(value)
    }

    pub(super) fn set(&mut self, key: &str, value: &[u8]) -> Result<(), Failed> {
        self.0.open_table(ENTRIES)?.insert(key, value)?;
        Ok(())
    }

    pub(super) fn remove(&mut self, key: &str) -> Result<(), Failed> {
        self.0.open_table(ENTRIES)?.remove(key)?;
        Ok(())
    }
}

/// Why a transaction was not committed.
#[derive(Debug)]
pub(super) enum Failed {
    /// The disk, or the file on it.
    Disk(StorageError),
    /// What was asked for can't be done, whatever the disk does.
    Told(KeyValueError),
}

impl Failed {
    pub(super) fn told(self) -> KeyValueError {
        let error = match self {
            Self::Told(error) => return error,
            Self::Disk(error) => error,
        };
        match error {
            StorageError::Io(error) if out_of_room(&error) => KeyValueError::NoRoom {
                reason: error.to_string(),
            },
            StorageError::PreviousIo => KeyValueError::Backend {
                reason: "the disk failed before and the file could not be opened again yet".to_owned(),
            },
            error => KeyValueError::Backend {
                reason: error.to_string(),
            },
        }
    }
}

fn out_of_room(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

impl From<StorageError> for Failed {
    fn from(error: StorageError) -> Self {
        Self::Disk(error)
    }
}

impl From<TransactionError> for Failed {
    fn from(error: TransactionError) -> Self {
        match error {
            TransactionError::Storage(error) => Self::Disk(error),
            other => backend(&other),
        }
    }
}

impl From<CommitError> for Failed {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Storage(error) => Self::Disk(error),
            other => backend(&other),
        }
    }
}

impl From<TableError> for Failed {
    fn from(error: TableError) -> Self {
        match error {
            TableError::Storage(error) => Self::Disk(error),
            other => backend(&other),
        }
    }
}

fn backend(error: &dyn std::error::Error) -> Failed {
    Failed::Told(KeyValueError::Backend {
        reason: error.to_string(),
    })
}

fn open(at: &At) -> Result<Database, OpenError> {
    let path = at.path();
    if let (At::Path(_), Some(folder)) = (at, path.parent()) {
        std::fs::create_dir_all(folder).map_err(|source| OpenError::Io {
            path: path.to_owned(),
            source,
        })?;
    }
    let mut tries = 0;
    let database = loop {
        match at.database() {
            Err(DatabaseError::DatabaseAlreadyOpen) if tries < TRIES => {
                tries += 1;
                std::thread::sleep(PAUSE);
            }
            result => break result,
        }
    };
    let database = database.map_err(|error| refused(path, error))?;
    let made = made(&database).map_err(|failed| match failed {
        Failed::Disk(error) => refused(path, DatabaseError::Storage(error)),
        Failed::Told(error) => OpenError::Damaged {
            path: path.to_owned(),
            source: Damaged(error.into()),
        },
    });
    made.map(|()| database)
}

/// Makes the table where there is none, so that nobody who reads has to expect that.
fn made(database: &Database) -> Result<(), Failed> {
    match database.begin_read()?.open_table(ENTRIES) {
        Ok(_) => Ok(()),
        Err(TableError::TableDoesNotExist(_)) => {
            let transaction = database.begin_write()?;
            transaction.open_table(ENTRIES)?;
            Ok(transaction.commit()?)
        }
        Err(error) => Err(error.into()),
    }
}

fn refused(path: &Path, error: DatabaseError) -> OpenError {
    let path = path.to_owned();
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => OpenError::Taken { path },
        DatabaseError::Storage(StorageError::Io(source)) if source.kind() != io::ErrorKind::InvalidData => {
            OpenError::Io { path, source }
        }
        other => OpenError::Damaged {
            path,
            source: Damaged(other.into()),
        },
    }
}
