//! What guests print: cut into lines, limited in rate, handed to a [`LogSink`]. Where the lines go is the sink's business.

mod limiter;
mod lines;

pub(crate) use limiter::Logs;
pub(crate) use lines::Lines;

use std::fmt;
use std::pin::Pin;

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

/// What happens to a guest that prints more than its log takes
/// ([decision 0140](../../../../docs/decisions/0140-a-guest-waits-for-its-log.md)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hold {
    /// It waits for the reader of its log while there is one. What is above `limits.logRate` is dropped, since somebody waits for the
    /// guest's answer.
    #[default]
    WhileRead,
    /// It waits for as long as its deadline allows, for the reader and for `limits.logRate`: nothing is dropped.
    UntilDeadline,
}

/// A line, without its line break; at most 1 MiB and a mark. The bytes are the guest's: they need not be UTF-8, and may hold control
/// characters.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Where it was written to.
    pub stream: Stream,
    /// For which request.
    pub request: RequestId,
    /// The line.
    pub bytes: &'a [u8],
}

/// Waits for room in a log. A sink makes it; see [`LogSink::room`].
pub type Room = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Takes the lines that one component prints.
pub trait LogSink: Send + Sync {
    /// Takes one line. It is called on the thread that runs the guest, so it must not block: a line that finds no room, since the guest
    /// did not wait for it, is dropped and counted.
    fn line(&self, line: Line<'_>);

    /// Whether there is room for a line of `stream`. Where not, the guest waits for [`LogSink::room`].
    fn has_room(&self, stream: Stream, hold: Hold) -> bool {
        let _ = (stream, hold);
        true
    }

    /// Waits until there is room for a line of `stream`.
    fn room(&self, stream: Stream, hold: Hold) -> Room {
        let _ = (stream, hold);
        Box::pin(std::future::ready(()))
    }

    /// Nobody has read for a second. From here on [`Hold::WhileRead`] finds room, until somebody reads again.
    fn give_up(&self, stream: Stream) {
        let _ = stream;
    }

    /// Counts `bytes` of output as dropped: the component printed more than `limits.logRate` allows.
    fn count_dropped(&self, bytes: u64) {
        let _ = bytes;
    }

    /// `bytes` of output were dropped since this was last called, which happens at most once a second.
    fn dropped(&self, bytes: u64);

    /// The host says why something was refused to the component, or failed outside of it. It is in the host's own log too, so a log that
    /// the same people read has nothing to do here.
    fn note(&self, text: &str) {
        let _ = text;
    }
}
