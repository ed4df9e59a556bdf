//! Slots for instances: how many there are, who waits for one, and how they are cleaned between guests.

use crate::swap;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::{Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Tables for each memory of the pool: a component from a language toolchain has one memory and two tables.
const TABLES_PER_SLOT: u32 = 4;
/// Bytes of a memory that stay resident when its slot is free: a Rust guest starts with 1.1 MiB.
const KEEP_RESIDENT: usize = 2 << 20;
/// The same for a table, in bytes.
const TABLE_KEEP_RESIDENT: usize = 512 << 10;
/// The most memories one component may have, and the most tables: a composed component has some for each of its parts.
const MAX_MEMORIES: u32 = 128;
/// Core instances of one component: three to six for each part that a toolchain made.
const MAX_CORE_INSTANCES: u32 = 1024;

/// The size of a pool.
#[derive(Clone, Debug)]
pub struct PoolOptions {
    /// Linear memories that can exist at once, over all instances: 1 to 16,000. Each reserves 4 GiB of address space, of which a
    /// process has 128 TiB, and costs nothing until it is used.
    pub slots: u32,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self { slots: 1000 }
    }
}

/// A pool's use at one moment.
#[derive(Clone, Copy, Debug)]
pub struct PoolStats {
    /// Memories that the pool holds.
    pub slots: u32,
    /// Memories that are free.
    pub free: u32,
}

pub(crate) fn strategy(options: &PoolOptions) -> InstanceAllocationStrategy {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_memories(options.slots);
    pool.total_tables(options.slots.saturating_mul(TABLES_PER_SLOT));
    pool.total_stacks(options.slots);
    // Counters without memory behind them: `total_memories` is what runs out.
    pool.total_component_instances(options.slots);
    pool.total_core_instances(options.slots.saturating_mul(MAX_CORE_INSTANCES));
    pool.max_core_instances_per_component(MAX_CORE_INSTANCES);
    pool.max_memories_per_module(MAX_MEMORIES);
    pool.max_memories_per_component(MAX_MEMORIES);
    pool.max_tables_per_module(MAX_MEMORIES * TABLES_PER_SLOT);
    pool.max_tables_per_component(MAX_MEMORIES * TABLES_PER_SLOT);
    pool.linear_memory_keep_resident(KEEP_RESIDENT);
    pool.table_keep_resident(TABLE_KEEP_RESIDENT);
    pool.pagemap_scan(if swap::is_impossible() {
        Enabled::Auto
    } else {
        Enabled::No
    });
    InstanceAllocationStrategy::Pooling(pool)
}

/// The queue in front of the pool. Wasmtime answers an exhausted pool with an error; here the next instance waits.
pub(crate) struct Slots {
    total: u32,
    free: Arc<Semaphore>,
}

impl Slots {
    pub(crate) fn new(total: u32) -> Self {
        Self {
            total,
            free: Arc::new(Semaphore::new(total as usize)),
        }
    }

    pub(crate) async fn acquire(&self, weight: u32) -> Permit {
        let permit = match Arc::clone(&self.free).try_acquire_many_owned(weight) {
            Ok(permit) => Some(permit),
            // The semaphore is never closed, so an error can't happen; a permit without a slot would still be safe, since
            // wasmtime counts for itself.
            Err(_) => Arc::clone(&self.free).acquire_many_owned(weight).await.ok(),
        };
        // Pairs with the fence of the ticker, which goes to sleep only after it has seen every slot free.
        fence(Ordering::SeqCst);
        crate::ticker::wake();
        Permit { _slots: permit }
    }

    pub(crate) fn idle(&self) -> bool {
        self.free.available_permits() == self.total as usize
    }

    pub(crate) fn stats(&self) -> PoolStats {
        let free = u32::try_from(self.free.available_permits()).unwrap_or(self.total);
        PoolStats {
            slots: self.total,
            free,
        }
    }

    /// Slots that a component takes which has this many memories and tables.
    pub(crate) fn weight(memories: u32, tables: u32) -> u32 {
        memories.max(tables.div_ceil(TABLES_PER_SLOT)).max(1)
    }

    /// The most memories that fit: of the pool as a whole, and of one component.
    pub(crate) fn most(&self) -> u32 {
        self.total.min(MAX_MEMORIES)
    }
}

/// Room in the pool for one instance. Drop it after the store.
pub struct Permit {
    _slots: Option<OwnedSemaphorePermit>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_toolchains_component_takes_one_slot() {
        assert_eq!(Slots::weight(1, 2), 1);
        assert_eq!(Slots::weight(0, 0), 1);
        assert_eq!(Slots::weight(10, 20), 10);
        assert_eq!(Slots::weight(1, 9), 3);
    }

    #[tokio::test]
    async fn a_full_pool_makes_the_next_wait() {
        let slots = Arc::new(Slots::new(2));
        let first = slots.acquire(2).await;
        assert_eq!(slots.stats().free, 0);
        let waiting = tokio::spawn({
            let slots = Arc::clone(&slots);
            async move { slots.acquire(1).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        let second = waiting.await.expect("the waiting task");
        assert!(!slots.idle());
        drop(second);
        assert!(slots.idle());
    }
}
