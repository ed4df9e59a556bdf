//! What the instances of one component use together, for whoever reports it. What one of them may use is in `limiter`.

use crate::TICK;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counters of one component, shared by all its instances.
#[derive(Debug, Default)]
pub struct Meter {
    ticks: AtomicU64,
    memory: AtomicU64,
}

impl Meter {
    /// CPU time since the component was started, in steps of [`TICK`].
    pub fn cpu(&self) -> Duration {
        let ticks = self.ticks.load(Ordering::Relaxed);
        TICK.saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX))
    }

    /// Bytes in memories and tables of the instances that exist now.
    pub fn memory(&self) -> u64 {
        self.memory.load(Ordering::Relaxed)
    }

    /// Most calls are over before a tick falls into them, and touch nothing that other threads use.
    pub(crate) fn spend(&self, ticks: u64) {
        if ticks > 0 {
            self.ticks.fetch_add(ticks, Ordering::Relaxed);
        }
    }

    pub(crate) fn grow(&self, bytes: u64) {
        self.memory.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn shrink(&self, bytes: u64) {
        self.memory.fetch_sub(bytes, Ordering::Relaxed);
    }
}
