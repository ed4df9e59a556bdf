//! What the instances of one component use together, for whoever reports it. What one of them may use is in `limiter`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counters of one component, shared by all its instances.
#[derive(Debug, Default)]
pub struct Meter {
    /// Nanoseconds.
    cpu: AtomicU64,
    memory: AtomicU64,
}

impl Meter {
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

    pub(crate) fn grow(&self, bytes: u64) {
        self.memory.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn shrink(&self, bytes: u64) {
        self.memory.fetch_sub(bytes, Ordering::Relaxed);
    }
}
