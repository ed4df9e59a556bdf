//! Key-value stores: what a store is, and the two sets of interfaces that components see it through. Which store a name stands
//! for is decided by the grants.

pub(crate) mod draft2;
mod host;
mod memory;
mod persistent;
mod redis;
mod sizes;
mod strings;

pub use memory::{Memory, MemoryOptions};
pub use persistent::{Damaged, OpenError, Persistent};
pub use redis::Redis;
pub use sizes::Sizes;

pub(crate) use host::{Buckets, HasBuckets, bindings};
pub(crate) use strings::{HasStrings, Strings, bindings as string_bindings};

use async_trait::async_trait;
use std::fmt;
use std::sync::Arc;

/// A store of bytes by name. Components, services and machines may share one, so nothing here is per instance.
///
/// Each method is one step to all who watch, unless it says otherwise.
#[async_trait]
pub trait KeyValue: Send + Sync {
    /// The value of `key`.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError>;

    /// Sets `key`, replacing what was there.
    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), KeyValueError>;

    /// Removes `key`, if it is there.
    async fn delete(&self, key: &str) -> Result<(), KeyValueError>;

    /// Whether `key` has a value.
    async fn exists(&self, key: &str) -> Result<bool, KeyValueError>;

    /// Some of the keys, and where to go on: begin with no cursor, end when none comes back. Keys that are set or removed
    /// meanwhile may be missed or come twice.
    async fn list_keys(&self, cursor: Option<u64>) -> Result<Keys, KeyValueError>;

    /// Adds `delta` to the decimal number that is the value of `key`, from 0 where there is none, and returns the sum.
    async fn increment(&self, key: &str, delta: u64) -> Result<u64, KeyValueError>;

    /// Sets `key` to `new` (removes it, where that is none) if its value is `expected`, and tells whether it was.
    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        new: Option<Vec<u8>>,
    ) -> Result<bool, KeyValueError>;

    /// The values of several keys, in their order. Not one step: a value may be of a later moment than the one before it.
    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, KeyValueError> {
        let (mut values, mut bytes) = (Vec::with_capacity(keys.len().min(1024)), 0);
        for key in keys {
            let value = self.get(key).await?;
            bytes += value.as_ref().map_or(0, Vec::len);
            if bytes > MAX_BATCH {
                return Err(KeyValueError::BatchTooLarge { limit: MAX_BATCH });
            }
            values.push(value);
        }
        Ok(values)
    }

    /// Sets several keys. Not one step: where it fails, some may have been set.
    async fn set_many(&self, pairs: Vec<(String, Vec<u8>)>) -> Result<(), KeyValueError> {
        for (key, value) in pairs {
            self.set(&key, value).await?;
        }
        Ok(())
    }

    /// Removes several keys. Not one step: where it fails, some may have been removed.
    async fn delete_many(&self, keys: &[String]) -> Result<(), KeyValueError> {
        for key in keys {
            self.delete(key).await?;
        }
        Ok(())
    }
}

/// Bytes that one `get-many` may return: the host holds them all at once.
pub const MAX_BATCH: usize = 16 << 20;

/// A page of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// The keys.
    pub keys: Vec<String>,
    /// Where the next page begins; none after the last one.
    pub cursor: Option<u64>,
}

/// Why a store did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyValueError {
    /// The name was not granted.
    #[error("no key-value store {name:?} is granted; add it under capabilities.keyValue")]
    NoSuchStore {
        /// What the guest asked for.
        name: String,
    },
    /// The grant does not allow writing.
    #[error(
        "the key-value store {name:?} is granted read-only; set readOnly: false under capabilities.keyValue to allow writing"
    )]
    ReadOnly {
        /// The store's name for this component.
        name: String,
    },
    /// The key is too long.
    #[error("the key has {bytes} bytes; the store takes keys of at most {limit}")]
    KeyTooLong {
        /// Its length.
        bytes: usize,
        /// The longest allowed.
        limit: usize,
    },
    /// The value is too large.
    #[error("the value has {bytes} bytes; the store takes values of at most {limit}")]
    ValueTooLarge {
        /// Its size.
        bytes: usize,
        /// The largest allowed.
        limit: usize,
    },
    /// The store has no room left.
    #[error("the store is full: {limit} bytes; delete keys, or use a store that is larger")]
    Full {
        /// Its size.
        limit: usize,
    },
    /// The disk has no room left.
    #[error("the store's volume has no room left ({reason}), and nothing was written; use a larger volume")]
    NoRoom {
        /// What the system said.
        reason: String,
    },
    /// Too much was asked for in one call.
    #[error("the values asked for have more than {limit} bytes together; ask for fewer keys at once")]
    BatchTooLarge {
        /// What one call may return.
        limit: usize,
    },
    /// The value is not a number that can be incremented.
    #[error("the value of {key:?} is not a decimal number below 2^64, or would not stay one")]
    NotANumber {
        /// The key.
        key: String,
    },
    /// A cursor that no call returned.
    #[error("the cursor is none that list-keys returned; begin with none")]
    NoCursor,
    /// The store cannot be reached or failed.
    #[error("the store failed: {reason}")]
    Backend {
        /// What it said.
        reason: String,
    },
}

/// A store as one component may use it.
#[derive(Clone)]
pub struct Store {
    /// The store.
    pub store: Arc<dyn KeyValue>,
    /// Whether writes are refused.
    pub read_only: bool,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store {{ read_only: {} }}", self.read_only)
    }
}

impl Store {
    /// The store, if it may be written to under the name it was granted by.
    pub(crate) fn writable(&self, name: &str) -> Result<&dyn KeyValue, KeyValueError> {
        if self.read_only {
            return Err(KeyValueError::ReadOnly {
                name: name.to_owned(),
            });
        }
        Ok(&*self.store)
    }
}
