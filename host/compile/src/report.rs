//! The first part of the child's answer: length (u32, little-endian), then JSON. The native code follows, to the end.

use crate::Description;
use serde::{Deserialize, Serialize};

/// The longest report that a parent reads; a component with ten thousand imports stays below it.
pub(crate) const MAX_REPORT: u32 = 4 << 20;

/// What the child answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Report {
    /// The input was understood; native code follows if it was asked for.
    Done(Description),
    /// The input was refused.
    Invalid(String),
    /// Components were composed; the bytes of the one that they make follow.
    Composed,
    /// They can't be.
    Uncomposable(String),
    /// A hash over all that compiled code depends on, in hexadecimal.
    Fingerprint(String),
}

/// What the child is asked for, its first argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Compile,
    Describe,
    Componentize,
    Compose,
    Fingerprint,
}

/// What to compose, before the bytes of all parts in their order: length (u32, little-endian), then JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Graph {
    /// The root first.
    pub(crate) parts: Vec<Node>,
}

/// A part of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Node {
    pub(crate) name: String,
    /// Its bytes.
    pub(crate) size: u64,
    pub(crate) links: Vec<Link>,
}

/// An import of a component, and the name of the one that provides it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The import: `acme:auth/check`, with or without its version.
    pub import: String,
    /// The name of the part that exports it.
    pub part: String,
}

impl Request {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Compile => "compile",
            Self::Describe => "describe",
            Self::Componentize => "componentize",
            Self::Compose => "compose",
            Self::Fingerprint => "fingerprint",
        }
    }

    #[cfg(feature = "cranelift")]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [
            Self::Compile,
            Self::Describe,
            Self::Componentize,
            Self::Compose,
            Self::Fingerprint,
        ]
        .into_iter()
        .find(|request| request.as_str() == text)
    }
}
