//! What messages and points in time call. It is the counterpart of `http::Handler`, without an answer for anybody.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Something that happened, for a component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The channel or stream that it came by; the trigger's name where it is a point in time.
    pub channel: String,
    /// The message; of an entry with several fields the one called `payload`. Of a point in time the time, as RFC 3339 has it.
    pub payload: Vec<u8>,
    /// All fields of a stream's entry, in their order.
    pub fields: Vec<(String, Vec<u8>)>,
    /// The id of a stream's entry.
    pub id: Option<String>,
    /// How often it is tried, this time included.
    pub attempt: u32,
}

/// A call on its way. Dropping it ends it.
pub type Handling = Pin<Box<dyn Future<Output = Result<(), Failed>> + Send>>;

/// Why a call did not go well. What the component printed is in its log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Failed {
    /// In words.
    pub reason: String,
}

/// Handles events.
pub trait Handler: Send + Sync + 'static {
    /// Handles one event.
    fn handle(&self, event: Event) -> Handling;

    /// How many events it takes at once.
    fn places(&self) -> usize;
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident)*) => {
        /// What a trigger has counted since it was started.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counts { $($(#[$doc])* pub $name: u64,)* }

        #[derive(Debug, Default)]
        pub(crate) struct Counters { $(pub(crate) $name: AtomicU64,)* }

        impl Counters {
            pub(crate) fn read(&self) -> Counts {
                Counts { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }

        impl Counts {
            /// Each count with its name.
            pub fn all(&self) -> [(&'static str, u64); [$(stringify!($name)),*].len()] {
                [$((stringify!($name), self.$name),)*]
            }
        }
    };
}

counters! {
    /// Messages, entries or points in time that were begun with.
    calls
    /// Calls that went well.
    succeeded
    /// Calls that did not.
    failed
    /// Entries of streams that were tried anew.
    retried
    /// Of these, entries that another consumer had begun with and left.
    taken
    /// Entries that went to the dead-letter stream.
    dead
    /// Messages that were lost since nobody could take them at once, and points in time that were skipped.
    dropped
    /// Messages and entries that were too large to be taken.
    oversized
    /// Connections that were lost.
    disconnected
}

/// The counts of a trigger, which can be read while it runs and after it has ended.
#[derive(Clone, Debug)]
pub struct Tally {
    name: String,
    counters: Arc<Counters>,
}

impl Tally {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            counters: Arc::default(),
        }
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The trigger's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it has counted so far.
    pub fn read(&self) -> Counts {
        self.counters.read()
    }
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
