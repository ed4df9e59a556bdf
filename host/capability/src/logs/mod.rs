//! What guests print: cut into lines, limited in rate, handed to a [`LogSink`]. Where the lines go is the sink's business.

mod limiter;
mod lines;

pub(crate) use limiter::{Logs, MAX_LINE};
pub(crate) use lines::Lines;

use std::fmt;

/// The stream that a line was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The number of a request, to tell in a log which lines belong together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Takes the lines that one component prints.
///
/// It is called on the thread that runs the guest, so it must not block: where the place to write to is slow, drop and count.
pub trait LogSink: Send + Sync {
    /// One line, without its line break; at most 16 KiB and a mark. The bytes are the guest's: they need not be UTF-8, and may
    /// hold control characters.
    fn line(&self, stream: Stream, request: RequestId, line: &[u8]);

    /// `bytes` of output were thrown away since this was last called, which happens at most once a second: the component printed
    /// more than `limits.logRate` allows.
    fn dropped(&self, bytes: u64);

    /// The host says why something was refused to the component, or failed outside of it. It is in the host's own log too, so a log that
    /// the same people read has nothing to do here.
    fn note(&self, text: &str) {
        let _ = text;
    }
}
