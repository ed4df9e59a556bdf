//! Slots for instances: how many there are, and how they are cleaned between guests. Who gets one is decided in `scheduler`, and who waits
//! waits in `slots`.

mod scheduler;
mod slots;

pub use slots::Permit;
pub(crate) use slots::{Seat, Slots};

use crate::swap;
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

impl PoolOptions {
    /// Slots that a component takes which has this many memories and tables.
    pub(crate) fn weight(memories: u32, tables: u32) -> u32 {
        memories.max(tables.div_ceil(TABLES_PER_SLOT)).max(1)
    }

    /// The most memories that fit: of the pool as a whole, and of one component.
    pub(crate) fn most(total: u32) -> u32 {
        total.min(MAX_MEMORIES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_toolchains_component_takes_one_slot() {
        assert_eq!(PoolOptions::weight(1, 2), 1);
        assert_eq!(PoolOptions::weight(0, 0), 1);
        assert_eq!(PoolOptions::weight(10, 20), 10);
        assert_eq!(PoolOptions::weight(1, 9), 3);
    }
}
