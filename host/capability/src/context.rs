//! What a call carries along, from the request that caused it through every service that it reaches: its deadline, its trace, and how
//! many services lie behind it.

use crate::Trace;
use tokio::time::Instant;

/// What a call carries along.
#[derive(Clone, Debug, Default)]
pub struct CallContext {
    /// When the one who waits for the answer stops waiting.
    pub deadline: Option<Instant>,
    /// The trace that it belongs to.
    pub trace: Option<Trace>,
    /// Services that wait for it, one within the other.
    pub depth: u32,
}
