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
    /// A hash over all that compiled code depends on, in hexadecimal.
    Fingerprint(String),
}

/// What the child is asked for, its first argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Compile,
    Describe,
    Componentize,
    Fingerprint,
}

impl Request {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Compile => "compile",
            Self::Describe => "describe",
            Self::Componentize => "componentize",
            Self::Fingerprint => "fingerprint",
        }
    }

    #[cfg(feature = "cranelift")]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [
            Self::Compile,
            Self::Describe,
            Self::Componentize,
            Self::Fingerprint,
        ]
        .into_iter()
        .find(|request| request.as_str() == text)
    }
}
