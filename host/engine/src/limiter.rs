//! What one instance may spend: memory, tables, CPU time. Deadlines by the wall clock are kept by who calls the instance.

use crate::{Meter, TICK, cpu, lane};
use std::sync::Arc;
use std::time::Duration;
use wasmtime::{ResourceLimiter, UpdateDeadline};

/// Bytes that one element of a table takes, on every 64-bit platform.
const TABLE_ELEMENT: usize = 8;

/// The limits of one instance.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes in all linear memories and tables together.
    pub memory: u64,
    /// Time on a processor, guest and host calls together, looked at every [`crate::TICK`].
    pub cpu_time: Duration,
}

/// A limit that was exceeded; the message names the field of the manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Exceeded {
    /// The memories and tables together would have become larger than allowed.
    #[error(
        "limits.memory: the instance asked for {wanted} bytes in all its memories and tables, and {limit} are allowed"
    )]
    Memory {
        /// What the instance would have had.
        wanted: u64,
        /// What it may have.
        limit: u64,
    },
    /// The instance computed for too long.
    #[error("limits.cpuTime: the instance used more than the {limit:?} of CPU time allowed")]
    CpuTime {
        /// What it may use.
        limit: Duration,
    },
}

/// Data of a store that holds the [`Limiter`] of its instance.
pub trait Bounded {
    /// The limiter.
    fn limiter(&mut self) -> &mut Limiter;
}

/// Counts what an instance has and refuses what is over its [`Limits`].
#[derive(Debug)]
pub struct Limiter {
    limits: Limits,
    used: u64,
    refused: Option<Exceeded>,
    meter: Arc<Meter>,
}

impl Limiter {
    /// A limiter for a new instance of the component that `meter` counts for.
    pub fn new(limits: Limits, meter: Arc<Meter>) -> Self {
        Self {
            limits,
            used: 0,
            refused: None,
            meter,
        }
    }

    /// What the instance may spend.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The limit that was last exceeded. A guest whose memory did not grow usually traps on its own, as `unreachable`: this tells
    /// why.
    pub fn refused(&self) -> Option<&Exceeded> {
        self.refused.as_ref()
    }

    /// Bytes in memories and tables.
    pub fn used(&self) -> u64 {
        self.used
    }

    pub(crate) fn on_tick(&mut self) -> wasmtime::Result<UpdateDeadline> {
        let spent = cpu::spent();
        if spent.unwrap_or_default() <= self.limits.cpu_time {
            // One tick may come by chance, however short the work.
            if spent.is_some_and(|spent| spent <= TICK) {
                return Ok(UpdateDeadline::Continue(1));
            }
            lane::leave();
            return Ok(UpdateDeadline::Yield(1));
        }
        let exceeded = Exceeded::CpuTime {
            limit: self.limits.cpu_time,
        };
        self.refused = Some(exceeded.clone());
        Err(wasmtime::Error::new(exceeded))
    }

    fn grow(&mut self, by: u64) -> bool {
        let wanted = self.used.saturating_add(by);
        if wanted > self.limits.memory {
            self.refused = Some(Exceeded::Memory {
                wanted,
                limit: self.limits.memory,
            });
            return false;
        }
        self.used = wanted;
        self.meter.grow(by);
        true
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        self.meter.shrink(self.used);
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(desired.saturating_sub(current) as u64))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow((desired.saturating_sub(current).saturating_mul(TABLE_ELEMENT)) as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(memory: u64) -> Limiter {
        let cpu_time = Duration::from_secs(1);
        Limiter::new(Limits { memory, cpu_time }, Arc::default())
    }

    #[test]
    fn memories_and_tables_count_together() {
        let mut limiter = limiter(1000);
        assert!(limiter.memory_growing(0, 600, None).expect("no error"));
        assert!(limiter.memory_growing(0, 300, None).expect("no error"));
        assert!(!limiter.table_growing(0, 13, None).expect("no error"));
        assert_eq!(
            limiter.refused(),
            Some(&Exceeded::Memory {
                wanted: 1004,
                limit: 1000
            })
        );
        assert!(limiter.table_growing(0, 12, None).expect("no error"));
        assert_eq!(limiter.used(), 996);
    }

    #[test]
    fn growth_counts_what_is_added() {
        let mut limiter = limiter(1000);
        assert!(limiter.memory_growing(0, 400, None).expect("no error"));
        assert!(limiter.memory_growing(400, 1000, None).expect("no error"));
        assert_eq!((limiter.used(), limiter.meter.memory()), (1000, 1000));
        assert!(!limiter.memory_growing(1000, usize::MAX, None).expect("no error"));
        let meter = Arc::clone(&limiter.meter);
        drop(limiter);
        assert_eq!(meter.memory(), 0);
    }
}
