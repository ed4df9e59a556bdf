//! What the instances of one component use together, for whoever reports it. What one of them may use is in `limiter`.

use crate::Share;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

/// Counters of one component, shared by all its instances.
#[derive(Debug, Default)]
pub struct Meter {
    /// Nanoseconds.
    cpu: AtomicU64,
    memory: AtomicU64,
    /// How many more of the last calls computed than did not: up to [`MANY`].
    computed: AtomicU8,
    share: Arc<Share>,
}

/// Calls after which it is clear what a component's calls are like.
const MANY: u8 = 8;

impl Meter {
    /// Counters of a component of the service that `share` belongs to.
    pub fn new(share: Arc<Share>) -> Self {
        Self {
            share,
            ..Self::default()
        }
    }

    /// What its service may use beside others.
    pub fn share(&self) -> &Arc<Share> {
        &self.share
    }

    /// CPU time since the component was started.
    pub fn cpu(&self) -> Duration {
        Duration::from_nanos(self.cpu.load(Ordering::Relaxed))
    }

    /// Bytes in memories and tables of the instances that exist now.
    pub fn memory(&self) -> u64 {
        self.memory.load(Ordering::Relaxed)
    }

    /// Most calls are over before a tick falls into them, and touch nothing that other threads use.
    pub(crate) fn spend(&self, cpu: Duration) {
        if !cpu.is_zero() {
            let nanos = u64::try_from(cpu.as_nanos()).unwrap_or(u64::MAX);
            self.cpu.fetch_add(nanos, Ordering::Relaxed);
        }
    }

    /// A call ended; whether it computed for more than a moment.
    pub(crate) fn called(&self, computed: bool) {
        let before = self.computed.load(Ordering::Relaxed);
        let after = match computed {
            true => before.saturating_add(1).min(MANY),
            false => before.saturating_sub(1),
        };
        // Calls that count at the same time may count as one: it is a guess.
        if after != before {
            self.computed.store(after, Ordering::Relaxed);
        }
    }

    /// Whether the next call will probably compute for more than a moment.
    pub(crate) fn computes(&self) -> bool {
        self.computed.load(Ordering::Relaxed) > MANY / 2
    }

    pub(crate) fn grow(&self, bytes: u64) {
        self.memory.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn shrink(&self, bytes: u64) {
        self.memory.fetch_sub(bytes, Ordering::Relaxed);
    }
}
