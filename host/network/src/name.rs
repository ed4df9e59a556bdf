//! Host names, in the one form in which they are compared.

use std::fmt;
use std::sync::Arc;

/// A host name: lower case, without the dot of the root.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostName(Arc<str>);

impl HostName {
    /// Reads a name. None for what is no name, and for what a resolver would read as an address: it takes `127.1`, `0x7f000001`
    /// and `2130706433` for 127.0.0.1, so a name must not end in a number (as in WHATWG's URL standard).
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() || text.len() > 253 || !text.split('.').all(is_label) {
            return None;
        }
        let last = text.rsplit('.').next().unwrap_or(text);
        if last.starts_with(|c: char| c.is_ascii_digit()) && is_number(last) {
            return None;
        }
        Some(Self(text.to_ascii_lowercase().into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is a name below `parent`.
    pub fn is_below(&self, parent: &HostName) -> bool {
        self.0
            .strip_suffix(&*parent.0)
            .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
    }
}

/// Names of services carry underscores, so they are let through; a resolver knows what to do with them.
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn is_number(label: &str) -> bool {
    let hex = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    match hex {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_brought_into_one_form() {
        for text in ["api.example.com", "API.Example.COM", "api.example.com."] {
            assert_eq!(HostName::parse(text).expect(text).as_str(), "api.example.com");
        }
        for text in [
            "localhost",
            "redis",
            "_srv._tcp.example.com",
            "xn--bcher-kva.example",
            "3com.com",
            "1.example",
            "0xg",
        ] {
            assert!(HostName::parse(text).is_some(), "{text}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = "a.".repeat(127) + "a";
        let label = "a".repeat(64);
        let bad = [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a b",
            "a/b",
            "a:80",
            "a@b",
            "bücher.example",
            "-a",
            "a-",
            "*.a",
            "a\0b",
            "a\n",
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.01",
            "[::1]",
            "example.0x",
            "a.1",
            long.as_str(),
            label.as_str(),
        ];
        for text in bad {
            assert!(HostName::parse(text).is_none() || text == long, "{text:?}");
        }
        assert_eq!(long.len(), 255);
        assert!(HostName::parse(&long).is_none());
    }

    #[test]
    fn below_means_at_least_one_label_more() {
        let name = |text| HostName::parse(text).expect("a name");
        let parent = name("example.com");
        assert!(name("a.example.com").is_below(&parent));
        assert!(name("a.b.example.com").is_below(&parent));
        assert!(!name("example.com").is_below(&parent));
        assert!(!name("badexample.com").is_below(&parent));
        assert!(!name("example.com.evil.org").is_below(&parent));
    }
}
