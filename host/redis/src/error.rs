//! What can go wrong between here and a Redis, in words for people.

use std::time::Duration;

/// Why a command has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No connection.
    #[error("cannot reach Redis at {server}: {reason}")]
    Unreachable {
        /// Host and port.
        server: String,
        /// Why.
        reason: String,
    },
    /// The connection ended before the answer. Whether the command was carried out is not known.
    #[error("the connection to Redis at {server} broke off: {reason}")]
    Broken {
        /// Host and port.
        server: String,
        /// Why.
        reason: String,
    },
    /// No answer in time. Whether the command was, or will be, carried out is not known.
    #[error("Redis at {server} did not answer within {limit:?}")]
    Slow {
        /// Host and port.
        server: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The server said no.
    #[error("Redis at {server} refused: {reason}")]
    Refused {
        /// Host and port.
        server: String,
        /// The first word of its answer: `ERR`, `OOM`, `NOPERM`, …
        code: String,
        /// Its whole answer.
        reason: String,
    },
    /// The answer holds a value that is too large.
    #[error("Redis at {server} answered with a value of {bytes} bytes; {limit} are allowed")]
    TooLarge {
        /// Host and port.
        server: String,
        /// Its size.
        bytes: u64,
        /// The largest allowed.
        limit: u64,
    },
    /// None of the sentinels, or of the cluster's nodes, knows where to go.
    #[error("{reason}")]
    NoMaster {
        /// Who was asked, and what they said.
        reason: String,
    },
    /// The answer is not of the form that it has to be.
    #[error("Redis at {server} gave an answer that makes no sense here: {reason}")]
    Odd {
        /// Host and port.
        server: String,
        /// What it was.
        reason: String,
    },
}

impl Error {
    /// The first word of what the server said; empty where it said nothing.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused { code, .. } => code,
            _ => "",
        }
    }

    /// Whether another server has to be looked for: this one is gone, or is no master any more.
    pub(crate) fn elsewhere(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Broken { .. } | Self::Slow { .. } => true,
            Self::Refused { code, .. } => matches!(code.as_str(), "READONLY" | "MASTERDOWN" | "CLUSTERDOWN"),
            _ => false,
        }
    }

    /// Whether the command was certainly not carried out, so that it may be sent anew whatever it does.
    pub(crate) fn undone(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::NoMaster { .. } => true,
            Self::Refused { code, .. } => matches!(
                code.as_str(),
                "READONLY" | "MASTERDOWN" | "CLUSTERDOWN" | "LOADING" | "TRYAGAIN" | "MOVED" | "ASK"
            ),
            _ => false,
        }
    }
}
