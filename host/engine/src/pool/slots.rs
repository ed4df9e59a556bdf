//! The queue in front of a pool. Wasmtime answers an exhausted pool with an error; here the next instance waits. Whose turn it is is decided
//! in `scheduler`.

use super::PoolStats;
use super::scheduler::{Granted, Scheduler};
use crate::Share;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Somebody who waits, and for which share.
#[derive(Debug)]
struct Waits {
    share: Arc<Share>,
    granted: oneshot::Sender<Permit>,
}

/// The slots of one engine's pool.
#[derive(Debug)]
pub(crate) struct Slots {
    total: u32,
    /// Which of a share's seats are here.
    pool: usize,
    scheduler: Mutex<Scheduler<Waits>>,
    /// Whether somebody waits; a hint.
    wanted: AtomicBool,
}

/// A share's place in one pool.
#[derive(Debug)]
pub(crate) struct Seat {
    slots: Arc<Slots>,
    share: usize,
}

impl Slots {
    pub(crate) fn new(total: u32, pool: usize) -> Arc<Self> {
        Arc::new(Self {
            total,
            pool,
            scheduler: Mutex::new(Scheduler::new(total)),
            wanted: AtomicBool::new(false),
        })
    }

    /// The share's place here, from now on.
    pub(crate) fn join(self: &Arc<Self>, weight: u32) -> Seat {
        let mut share = 0;
        self.change(|scheduler| {
            let (joined, granted) = scheduler.join(weight);
            share = joined;
            granted
        });
        Seat {
            slots: Arc::clone(self),
            share,
        }
    }

    /// Which of a share's seats are here.
    pub(crate) fn pool(&self) -> usize {
        self.pool
    }

    pub(crate) fn total(&self) -> u32 {
        self.total
    }

    /// Waits for so many slots.
    pub(crate) async fn acquire(self: &Arc<Self>, share: &Arc<Share>, slots: u32) -> Permit {
        let seat = share.seat(self);
        let permit = match self.try_acquire(share, seat, slots) {
            Ok(permit) => permit,
            Err(mut waiting) => match (&mut waiting.granted).await {
                Ok(permit) => permit,
                // It is never dropped before it is granted; a permit without a slot would still be safe, since wasmtime counts for itself.
                Err(_) => Permit::new(share, self.pool, 0),
            },
        };
        // Pairs with the fence of the ticker, which goes to sleep only after it has seen every slot free.
        fence(Ordering::SeqCst);
        crate::ticker::wake();
        permit
    }

    fn try_acquire<'a>(
        &'a self,
        share: &Arc<Share>,
        seat: &'a Seat,
        slots: u32,
    ) -> Result<Permit, Waiting<'a>> {
        if self.scheduler().try_take(seat.share, slots) {
            return Ok(Permit::new(share, self.pool, slots));
        }
        let (sender, granted) = oneshot::channel();
        let waits = Waits {
            share: Arc::clone(share),
            granted: sender,
        };
        let mut ticket = 0;
        self.wanted.store(true, Ordering::Relaxed);
        self.change(|scheduler| {
            let (waiting, granted) = scheduler.wait(seat.share, slots, waits);
            ticket = waiting;
            granted
        });
        Err(Waiting {
            seat,
            ticket,
            granted,
        })
    }

    /// Changes what is free, and lets those go on who have slots now.
    fn change(&self, change: impl FnOnce(&mut Scheduler<Waits>) -> Vec<Granted<Waits>>) {
        let granted = {
            let mut scheduler = self.scheduler();
            let granted = change(&mut scheduler);
            if self.wanted.load(Ordering::Relaxed) {
                self.wanted.store(scheduler.is_wanted(), Ordering::Relaxed);
            }
            granted
        };
        for Granted { slots, waits } in granted {
            // Where nobody waits any more, dropping it gives the slots back.
            let _ = waits.granted.send(Permit::new(&waits.share, self.pool, slots));
        }
    }

    pub(crate) fn idle(&self) -> bool {
        self.scheduler().free() == self.total
    }

    pub(crate) fn stats(&self) -> PoolStats {
        PoolStats {
            slots: self.total,
            free: self.scheduler().free(),
        }
    }

    fn scheduler(&self) -> MutexGuard<'_, Scheduler<Waits>> {
        self.scheduler.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    fn give_back(&self, slots: u32) {
        self.slots
            .change(|scheduler| scheduler.give_back(self.share, slots));
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.slots.change(|scheduler| scheduler.leave(self.share));
    }
}

/// A request in the queue. Dropped, it leaves.
struct Waiting<'a> {
    seat: &'a Seat,
    ticket: u64,
    granted: oneshot::Receiver<Permit>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.granted.is_terminated() {
            return;
        }
        self.seat
            .slots
            .change(|scheduler| scheduler.cancel(self.seat.share, self.ticket));
    }
}

/// Room in the pool for one instance. Drop it after the store.
#[derive(Debug)]
pub struct Permit {
    share: Arc<Share>,
    pool: usize,
    slots: u32,
}

impl Permit {
    fn new(share: &Arc<Share>, pool: usize, slots: u32) -> Self {
        Self {
            share: Arc::clone(share),
            pool,
            slots,
        }
    }

    /// Whether others wait for slots like these: an instance that is not used should make room.
    pub fn is_wanted(&self) -> bool {
        let seat = self.share.seat_at(self.pool);
        seat.is_some_and(|seat| seat.slots.wanted.load(Ordering::Relaxed))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(seat) = self.share.seat_at(self.pool) {
            seat.give_back(self.slots);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn a_full_pool_makes_the_next_wait_and_who_leaves_the_queue_has_nothing() {
        let slots = Slots::new(2, 0);
        let share = Arc::new(Share::new(1));
        let acquire = |count| Box::pin(slots.acquire(&share, count));
        let first = acquire(2).now_or_never().expect("two free slots");
        assert_eq!(slots.stats().free, 0);
        let (mut second, mut third) = (acquire(1), acquire(2));
        assert!(second.as_mut().now_or_never().is_none());
        assert!(third.as_mut().now_or_never().is_none());
        assert!(first.is_wanted());
        drop(second);
        drop(first);
        let third = third.now_or_never().expect("two slots again");
        assert!(!third.is_wanted());
        assert!(!slots.idle());
        drop(third);
        assert!(slots.idle());
    }

    #[test]
    fn slots_that_were_granted_to_somebody_who_left_are_free_again() {
        let slots = Slots::new(1, 0);
        let share = Arc::new(Share::new(1));
        let first = slots.acquire(&share, 1).now_or_never().expect("a free slot");
        let mut second = Box::pin(slots.acquire(&share, 1));
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        assert_eq!(slots.stats().free, 0);
        drop(second);
        assert!(slots.idle());
    }

    #[test]
    fn a_share_leaves_the_pool_with_its_last_permit() {
        let slots = Slots::new(8, 0);
        let (one, other) = (Arc::new(Share::new(1)), Arc::new(Share::new(1)));
        let _seats = (one.seat(&slots), other.seat(&slots));
        let permits: Vec<_> = (0..7)
            .map(|_| slots.acquire(&one, 1).now_or_never().expect("a free slot"))
            .collect();
        let mut last = Box::pin(slots.acquire(&one, 1));
        assert!(
            last.as_mut().now_or_never().is_none(),
            "it is guaranteed to the other"
        );
        drop(other);
        assert!(last.now_or_never().is_some());
        drop(permits);
        assert!(slots.idle());
    }
}
