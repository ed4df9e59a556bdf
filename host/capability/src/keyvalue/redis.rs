//! A store in Redis. Keys are strings below a prefix, so that services which share a server see their own alone. How the server is
//! reached is in `shoal-redis`.

use super::sizes::{PAGE, Pages, incremented};
use super::{KeyValue, KeyValueError, Keys, MAX_BATCH, Sizes};
use async_trait::async_trait;
use shoal_redis::{Client, Cmd, Error, Value, cmd};
use std::sync::{Arc, Mutex, PoisonError};

/// A store in Redis.
pub struct Redis {
    client: Arc<Client>,
    prefix: String,
    sizes: Sizes,
    /// Of which master of a cluster a page came, and the cursor that it gave.
    pages: Mutex<Pages<(usize, u64)>>,
}

/// Sets KEYS[1] to ARGV[4] (removes it where ARGV[3] is 0) if its value is ARGV[2] (if it has none where ARGV[1] is 0). Redis runs a
/// script as one step.
const SWAP: &str = "\
local now = redis.call('GET', KEYS[1])
local same
if ARGV[1] == '1' then same = now == ARGV[2] else same = not now end
if same then
  if ARGV[3] == '1' then redis.call('SET', KEYS[1], ARGV[4]) else redis.call('DEL', KEYS[1]) end
  return 1
end
return 0";

/// How often `increment` begins anew where others change the same key.
const TRIES: u32 = 100;

impl Redis {
    /// A store of the keys that begin with `prefix`.
    pub fn new(client: Arc<Client>, prefix: String, sizes: Sizes) -> Self {
        Self {
            client,
            prefix,
            sizes,
            pages: Mutex::default(),
        }
    }

    fn key(&self, key: &str) -> Vec<u8> {
        [self.prefix.as_bytes(), key.as_bytes()].concat()
    }

    async fn run(&self, key: &[u8], command: &Cmd, repeatable: bool) -> Result<Value, KeyValueError> {
        Ok(self.client.run(key, command, repeatable).await?)
    }

    fn pages(&self) -> std::sync::MutexGuard<'_, Pages<(usize, u64)>> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Swaps, where the connection breaks at the wrong moment perhaps without a word.
    async fn swap(
        &self,
        key: &[u8],
        expected: Option<&[u8]>,
        new: Option<&[u8]>,
    ) -> Result<bool, KeyValueError> {
        let mut command = cmd("EVAL");
        command.arg(SWAP).arg(1).arg(key);
        for value in [expected, new] {
            command
                .arg(u8::from(value.is_some()))
                .arg(value.unwrap_or_default());
        }
        match self.run(key, &command, false).await? {
            Value::Int(swapped) => Ok(swapped == 1),
            other => Err(odd(&other)),
        }
    }
}

#[async_trait]
impl KeyValue for Redis {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        if self.sizes.key(key).is_err() {
            return Ok(None);
        }
        let key = self.key(key);
        match self.run(&key, cmd("GET").arg(&key), true).await? {
            Value::BulkString(value) => Ok(Some(value)),
            Value::Nil => Ok(None),
            other => Err(odd(&other)),
        }
    }

    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), KeyValueError> {
        self.sizes.entry(key, &value)?;
        let key = self.key(key);
        self.run(&key, cmd("SET").arg(&key).arg(value), true).await?;
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<(), KeyValueError> {
        if self.sizes.key(key).is_err() {
            return Ok(());
        }
        let key = self.key(key);
        self.run(&key, cmd("DEL").arg(&key), true).await?;
        Ok(())
    }

    async fn exists(&self, key: &str) -> Result<bool, KeyValueError> {
        if self.sizes.key(key).is_err() {
            return Ok(false);
        }
        let key = self.key(key);
        match self.run(&key, cmd("EXISTS").arg(&key), true).await? {
            Value::Int(count) => Ok(count > 0),
            other => Err(odd(&other)),
        }
    }

    async fn list_keys(&self, cursor: Option<u64>) -> Result<Keys, KeyValueError> {
        let (mut master, mut at) = match cursor {
            None => (0, 0),
            Some(cursor) => match self.pages().end(cursor) {
                Some(place) => *place,
                None => return Ok(Keys::default()),
            },
        };
        let mut command = cmd("SCAN");
        command.arg(at).arg("MATCH").arg(pattern(&self.prefix));
        command.arg("COUNT").arg(PAGE);
        let Some(answer) = self.client.run_on_master(master, &command).await? else {
            return Ok(Keys::default());
        };
        let Some((next, keys)) = page(&answer, &self.prefix) else {
            return Err(odd(&answer));
        };
        (master, at) = if next == 0 {
            (master + 1, 0)
        } else {
            (master, next)
        };
        let more = next != 0 || self.client.has_master(master).await?;
        Ok(Keys {
            keys,
            cursor: more.then(|| self.pages().remember((master, at))),
        })
    }

    /// Redis' own INCRBY counts to 2^63 and takes other numbers than the other stores do.
    async fn increment(&self, key: &str, delta: u64) -> Result<u64, KeyValueError> {
        self.sizes.key(key)?;
        let stored = self.key(key);
        for _ in 0..TRIES {
            let before = self.get(key).await?;
            let sum = incremented(key, before.as_deref(), delta)?;
            let new = sum.to_string();
            if self
                .swap(&stored, before.as_deref(), Some(new.as_bytes()))
                .await?
            {
                return Ok(sum);
            }
        }
        Err(KeyValueError::Backend {
            reason: format!("others changed {key:?} {TRIES} times while it was incremented"),
        })
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        new: Option<Vec<u8>>,
    ) -> Result<bool, KeyValueError> {
        self.sizes.entry(key, new.as_deref().unwrap_or_default())?;
        self.swap(&self.key(key), expected, new.as_deref()).await
    }

    /// All at once on their way, for each would wait for the one before it.
    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, KeyValueError> {
        let (mut values, mut bytes) = (Vec::with_capacity(keys.len().min(1024)), 0);
        // Sixteen of the largest values are as much as may be returned.
        for keys in keys.chunks(16) {
            for value in futures::future::join_all(keys.iter().map(|key| self.get(key))).await {
                let value = value?;
                bytes += value.as_ref().map_or(0, Vec::len);
                if bytes > MAX_BATCH {
                    return Err(KeyValueError::BatchTooLarge { limit: MAX_BATCH });
                }
                values.push(value);
            }
        }
        Ok(values)
    }
}

/// A pattern of Redis that means this prefix and whatever follows it.
fn pattern(prefix: &str) -> String {
    let mut pattern = String::with_capacity(prefix.len() + 1);
    for c in prefix.chars() {
        if "*?[]\\^-".contains(c) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern + "*"
}

/// The cursor and the keys of an answer to SCAN. A key that is no text was not written by a component, which could not name it.
fn page(answer: &Value, prefix: &str) -> Option<(u64, Vec<String>)> {
    let Value::Array(parts) = answer else { return None };
    let [Value::BulkString(cursor), Value::Array(keys)] = parts.as_slice() else {
        return None;
    };
    let keys = keys.iter().filter_map(|key| match key {
        Value::BulkString(key) => std::str::from_utf8(key)
            .ok()?
            .strip_prefix(prefix)
            .map(str::to_owned),
        _ => None,
    });
    let cursor = std::str::from_utf8(cursor).ok()?.parse().ok()?;
    Some((cursor, keys.collect()))
}

fn odd(answer: &Value) -> KeyValueError {
    let reason = format!("Redis gave an answer that makes no sense here: {answer:?}");
    KeyValueError::Backend {
        reason: reason.chars().take(200).collect(),
    }
}

impl From<Error> for KeyValueError {
    fn from(error: Error) -> Self {
        match error {
            Error::TooLarge { bytes, limit, .. } => Self::ValueTooLarge {
                bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
                limit: usize::try_from(limit).unwrap_or(usize::MAX),
            },
            error => Self::Backend {
                reason: error.to_string(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_matched_as_it_stands() {
        assert_eq!(pattern("shop/web/sessions/"), "shop/web/sessions/*");
        assert_eq!(pattern(r"a*b?[c]\"), r"a\*b\?\[c\]\\*");
        assert_eq!(pattern(""), "*");
    }

    #[test]
    fn pages_hold_what_is_below_the_prefix_and_text() {
        let text = |text: &[u8]| Value::BulkString(text.to_vec());
        let keys = Value::Array(vec![text(b"a/x"), text(b"b/y"), text(b"a/\xff"), text(b"a/")]);
        let answer = Value::Array(vec![text(b"17"), keys]);
        assert_eq!(
            page(&answer, "a/"),
            Some((17, vec!["x".to_owned(), String::new()]))
        );
        assert_eq!(page(&Value::Nil, "a/"), None);
        assert_eq!(
            page(&Value::Array(vec![text(b"x"), Value::Array(vec![])]), "a/"),
            None
        );
    }
}
