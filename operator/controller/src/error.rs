//! What can go wrong with one service, and whether it is worth a line in the log.

use shoal_plan::Kind;

/// Why a reconciliation was not finished. It is tried again, later each time.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("another replica leads, or may: nothing is written")]
    NotLeading,
    #[error("{kind:?} {name}: {source}")]
    Apply {
        kind: Kind,
        name: String,
        source: Box<kube::Error>,
    },
    #[error("{kind:?} {name} exists and belongs to somebody else: rename it, or the WasmService")]
    Taken { kind: Kind, name: String },
    #[error("{what}: {source}")]
    Api { what: String, source: Box<kube::Error> },
    #[error("{what}: the API server did not answer in time")]
    Late { what: String },
}

impl Error {
    pub(crate) fn api(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let what = what.into();
        move |source| Self::Api {
            what,
            source: Box::new(source),
        }
    }

    /// Whether what was decided rested on what is no longer so: looking again is all there is to do.
    pub(crate) fn is_conflict(&self) -> bool {
        match self {
            Self::Apply { source, .. } | Self::Api { source, .. } => code(source) == Some(409),
            _ => false,
        }
    }

    /// Whether the API server does not take what it was given: a time zone that there is not, or an admission controller is against it.
    /// Quotas answer 403, as do missing rights of ours; policies 403, 413 or 422; a webhook what it likes, 400 where it says nothing.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Apply { source, .. } if matches!(code(source), Some(400 | 403 | 413 | 422)))
    }
}

/// The HTTP status of an API server's refusal.
pub(crate) fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}
