//! A store in memory, gone when the process ends.

use super::sizes::{PAGE, Pages, incremented};
use super::{KeyValue, KeyValueError, Keys, Sizes};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What an entry costs beyond its key and value, roughly: two allocations and its place in the tree.
const OVERHEAD: usize = 96;

/// How much a [`Memory`] store holds.
#[derive(Clone, Copy, Debug)]
pub struct MemoryOptions {
    /// Bytes of all keys and values, with 96 bytes more for each entry. 64 MiB by default.
    pub total: usize,
    /// How large keys and values may be.
    pub sizes: Sizes,
}

impl Default for MemoryOptions {
    fn default() -> Self {
        Self {
            total: 64 << 20,
            sizes: Sizes::default(),
        }
    }
}

/// A bounded store in memory.
#[derive(Debug, Default)]
pub struct Memory {
    options: MemoryOptions,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: BTreeMap<String, Vec<u8>>,
    /// The sum of [`cost`] over all entries.
    used: usize,
    pages: Pages<String>,
}

fn cost(key: &str, value: &[u8]) -> usize {
    key.len() + value.len() + OVERHEAD
}

impl Memory {
    /// An empty store.
    pub fn new(options: MemoryOptions) -> Self {
        Self {
            options,
            inner: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics half-way through a change.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, inner: &mut Inner, key: &str, value: Vec<u8>) -> Result<(), KeyValueError> {
        self.options.sizes.entry(key, &value)?;
        let before = inner.entries.get(key).map_or(0, |old| cost(key, old));
        let used = inner.used - before + cost(key, &value);
        if used > self.options.total {
            return Err(KeyValueError::Full {
                limit: self.options.total,
            });
        }
        inner.used = used;
        match inner.entries.get_mut(key) {
            Some(old) => *old = value,
            None => {
                inner.entries.insert(key.to_owned(), value);
            }
        }
        Ok(())
    }
}

impl Inner {
    fn remove(&mut self, key: &str) {
        if let Some(old) = self.entries.remove(key) {
            self.used -= cost(key, &old);
        }
    }
}

#[async_trait]
impl KeyValue for Memory {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        Ok(self.lock().entries.get(key).cloned())
    }

    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), KeyValueError> {
        self.put(&mut self.lock(), key, value)
    }

    async fn delete(&self, key: &str) -> Result<(), KeyValueError> {
        self.lock().remove(key);
        Ok(())
    }

    async fn exists(&self, key: &str) -> Result<bool, KeyValueError> {
        Ok(self.lock().entries.contains_key(key))
    }

    async fn list_keys(&self, cursor: Option<u64>) -> Result<Keys, KeyValueError> {
        let mut inner = self.lock();
        let from = match cursor {
            None => Bound::Unbounded,
            Some(page) => match inner.pages.end(page) {
                Some(last) => Bound::Excluded(last.clone()),
                // Made up by the guest, or forgotten: there is nothing more to come.
                None => return Ok(Keys::default()),
            },
        };
        let mut keys: Vec<String> = inner
            .entries
            .range((from, Bound::Unbounded))
            .take(PAGE + 1)
            .map(|(key, _)| key.clone())
            .collect();
        let more = keys.len() > PAGE;
        keys.truncate(PAGE);
        let last = keys.last().filter(|_| more).cloned();
        let cursor = last.map(|last| inner.pages.remember(last));
        Ok(Keys { keys, cursor })
    }

    async fn increment(&self, key: &str, delta: u64) -> Result<u64, KeyValueError> {
        let mut inner = self.lock();
        let sum = incremented(key, inner.entries.get(key).map(Vec::as_slice), delta)?;
        self.put(&mut inner, key, sum.to_string().into_bytes())?;
        Ok(sum)
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        new: Option<Vec<u8>>,
    ) -> Result<bool, KeyValueError> {
        let mut inner = self.lock();
        if inner.entries.get(key).map(Vec::as_slice) != expected {
            return Ok(false);
        }
        match new {
            Some(value) => self.put(&mut inner, key, value)?,
            None => inner.remove(key),
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
