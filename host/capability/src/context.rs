//! What a call carries along, from the request that caused it through every service that it reaches: its deadline, its trace, and how
//! many services lie behind it.

use crate::Trace;
use std::fmt;
use std::sync::Arc;
use tokio::time::Instant;

/// What a call carries along.
#[derive(Clone, Debug, Default)]
pub struct CallContext {
    /// Who waits for the answer.
    pub waiting: Option<Arc<dyn Waiting>>,
    /// The trace that it belongs to.
    pub trace: Option<Trace>,
    /// Services that wait for it, one within the other.
    pub depth: u32,
}

/// Somebody who waits for the answer of a call.
pub trait Waiting: fmt::Debug + Send + Sync {
    /// When it stops waiting; none once it has what it waits for. What is called after that has its own time.
    fn until(&self) -> Option<Instant>;
}

impl Waiting for Instant {
    fn until(&self) -> Option<Instant> {
        Some(*self)
    }
}

impl CallContext {
    /// When the one who waits for the answer stops waiting.
    pub fn until(&self) -> Option<Instant> {
        self.waiting.as_ref()?.until()
    }
}
