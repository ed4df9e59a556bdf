//! A value that must not end up in a log. Nothing here decides who may see it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::Arc;

/// The bytes of a secret. Cheap to clone; `Debug` tells nothing of it, not even its length. It is serialised as the text that it is: to a
/// socket or a file, never to a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<[u8]>);

impl Secret {
    /// Wraps the value of a secret.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self(bytes.into())
    }

    /// The value itself: hand it to whom it was granted, and to nobody else.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The same, where it is text.
    pub fn expose_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Names with values that `Debug` leaves out: of variables, which kubelet has filled in from Secrets.
pub struct Redacted<I>(pub I);

impl<I: Iterator<Item = N> + Clone, N: fmt::Debug> fmt::Debug for Redacted<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = self.0.clone().map(|name| (name, format_args!("…")));
        f.debug_map().entries(hidden).finish()
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.expose_text();
        let text = text.ok_or_else(|| serde::ser::Error::custom("a secret that is no text"))?;
        serializer.serialize_str(text)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_tell() {
        let secret = Secret::new(*b"hunter2");
        assert_eq!(format!("{secret:?} {secret:#?}"), "Secret(…) Secret(…)");
        assert_eq!(secret.expose(), b"hunter2");
    }

    #[test]
    fn it_is_the_same_behind_a_socket() {
        let secret = Secret::from("s3cret \"ü\"\n".to_owned());
        let sent = serde_json::to_string(&secret).expect("text");
        assert_eq!(sent, serde_json::to_string("s3cret \"ü\"\n").expect("text"));
        assert_eq!(serde_json::from_str::<Secret>(&sent).expect("text"), secret);
        assert!(serde_json::to_string(&Secret::new([0xff])).is_err());
    }
}
