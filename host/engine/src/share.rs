//! What one service has of the pools and of the lane, beside the others of its process.

use crate::pool::{Seat, Slots};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

/// Pools of a process: one for each variant of the engine.
pub(crate) const POOLS: usize = 2;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A service's share. All its components have it together.
#[derive(Debug)]
pub struct Share {
    id: u64,
    weight: u32,
    seats: [OnceLock<Seat>; POOLS],
}

impl Share {
    /// A share of this weight: twice the weight is twice as much where all want more than there is. 1 at the least.
    pub fn new(weight: u32) -> Self {
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            weight: weight.max(1),
            seats: [const { OnceLock::new() }; POOLS],
        }
    }

    /// No other share of this process has it.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn weight(&self) -> u32 {
        self.weight
    }

    /// Its place in a pool, of which it is one of those that have guaranteed slots from now on.
    pub(crate) fn seat(&self, slots: &Arc<Slots>) -> &Seat {
        let seat = self.seats.get(slots.pool()).unwrap_or(&self.seats[0]);
        seat.get_or_init(|| slots.join(self.weight))
    }

    pub(crate) fn seat_at(&self, pool: usize) -> Option<&Seat> {
        self.seats.get(pool)?.get()
    }
}

impl Default for Share {
    fn default() -> Self {
        Self::new(1)
    }
}

/// The shares of a process, by service.
#[derive(Debug, Default)]
pub(crate) struct Shares(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    shares: HashMap<String, Weak<Share>>,
    /// Rows at which those are thrown out whose service is gone.
    purge_at: usize,
}

impl Shares {
    /// The share of `service`, which it has as long as anybody holds it.
    pub(crate) fn get(&self, service: &str) -> Arc<Share> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = table.shares.get(service).and_then(Weak::upgrade) {
            return share;
        }
        if table.shares.len() >= table.purge_at {
            table.shares.retain(|_, share| share.strong_count() > 0);
            table.purge_at = 2 * table.shares.len() + 16;
        }
        let share = Arc::<Share>::default();
        table.shares.insert(service.to_owned(), Arc::downgrade(&share));
        share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_has_one_share_as_long_as_it_is_held() {
        let shares = Shares::default();
        let one = shares.get("one");
        assert_eq!(shares.get("one").id(), one.id());
        assert_ne!(shares.get("other").id(), one.id());
        let before = one.id();
        drop(one);
        assert_ne!(shares.get("one").id(), before);
    }
}
