//! What all stores have in common whatever they keep values in: sizes of keys and values, numbers, pages of keys.

use super::KeyValueError;
use std::collections::BTreeMap;

/// How large keys and values may be.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Bytes of a value. 1 MiB by default.
    pub value: usize,
    /// Bytes of a key. 1 KiB by default.
    pub key: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            value: 1 << 20,
            key: 1 << 10,
        }
    }
}

impl Sizes {
    pub(crate) fn key(self, key: &str) -> Result<(), KeyValueError> {
        if key.len() <= self.key {
            return Ok(());
        }
        Err(KeyValueError::KeyTooLong {
            bytes: key.len(),
            limit: self.key,
        })
    }

    pub(crate) fn entry(self, key: &str, value: &[u8]) -> Result<(), KeyValueError> {
        self.key(key)?;
        if value.len() <= self.value {
            return Ok(());
        }
        Err(KeyValueError::ValueTooLarge {
            bytes: value.len(),
            limit: self.value,
        })
    }
}

/// What `increment` makes of the value that is there. Only digits are a number, the same in every store: Redis itself would take
/// others than Rust does.
pub(crate) fn incremented(key: &str, value: Option<&[u8]>, delta: u64) -> Result<u64, KeyValueError> {
    let number = match value {
        Some(value) => number(value),
        None => Some(0),
    };
    let sum = number.and_then(|number| number.checked_add(delta));
    sum.ok_or_else(|| KeyValueError::NotANumber { key: key.to_owned() })
}

/// A decimal number below 2^64 as `increment` writes it: without a sign, without leading zeros.
fn number(value: &[u8]) -> Option<u64> {
    let canonical = value.iter().all(u8::is_ascii_digit) && (value == b"0" || !value.starts_with(b"0"));
    let text = std::str::from_utf8(value).ok().filter(|_| canonical)?;
    text.parse().ok()
}

/// Keys of one page of `list_keys`.
pub(crate) const PAGE: usize = 1000;

/// Where pages of `list_keys` that were handed out end, so that a cursor stays right when keys come and go.
#[derive(Debug)]
pub(crate) struct Pages<T> {
    ends: BTreeMap<u64, T>,
    next: u64,
}

/// Cursors that are remembered. Whoever lists that much at once begins again.
const MAX_PAGES: usize = 1024;

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self {
            ends: BTreeMap::new(),
            next: 0,
        }
    }
}

impl<T> Pages<T> {
    /// The cursor for what follows `end`.
    pub(crate) fn remember(&mut self, end: T) -> u64 {
        let page = self.next;
        self.next += 1;
        self.ends.insert(page, end);
        if self.ends.len() > MAX_PAGES {
            self.ends.pop_first();
        }
        page
    }

    /// Where the page before this cursor ended. None where the guest made it up, or it was forgotten.
    pub(crate) fn end(&self, cursor: u64) -> Option<&T> {
        self.ends.get(&cursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_digits_and_nothing_else() {
        for value in [
            "",
            "-1",
            "+1",
            "01",
            "00",
            " 1",
            "1 ",
            "1.0",
            "0x1",
            "18446744073709551616",
        ] {
            assert!(incremented("k", Some(value.as_bytes()), 0).is_err(), "{value:?}");
        }
        assert_eq!(incremented("k", None, 7), Ok(7));
        assert_eq!(incremented("k", Some(b"0"), 7), Ok(7));
        assert_eq!(incremented("k", Some(b"18446744073709551614"), 1), Ok(u64::MAX));
        assert!(incremented("k", Some(b"18446744073709551614"), 2).is_err());
    }

    #[test]
    fn old_cursors_are_forgotten() {
        let mut pages = Pages::default();
        let first = pages.remember("a");
        assert_eq!(pages.end(first), Some(&"a"));
        for _ in 0..MAX_PAGES {
            pages.remember("b");
        }
        assert_eq!(pages.end(first), None);
    }
}
