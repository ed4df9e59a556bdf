//! Who gets a slot of the pool, and who is next: decisions alone, without a clock, a lock or a task. Who waits how is in `slots`.
//!
//! Each service has a share. A part of all slots, the reserve, is guaranteed to the shares by weight; what is beyond a share's guarantee is
//! borrowed, and may be taken as long as the rest of the reserve stays free: a borrower waits in host calls for as long as it likes, and can't
//! be made to give a slot back. Slots that are given back go to the share that has the least for its weight.

use std::collections::{BTreeSet, VecDeque};

/// The part of all slots that is guaranteed.
const RESERVE: u32 = 4;

/// Slots, shares, and those who wait. `W` is what is handed back for a request once it has its slots.
#[derive(Debug)]
pub(super) struct Scheduler<W> {
    total: u32,
    free: u32,
    shares: Vec<Option<Share<W>>>,
    vacant: Vec<usize>,
    /// Shares that there are, and their weights together.
    count: usize,
    weights: u64,
    /// Slots that are guaranteed for a weight of 1. With more shares than the reserve has slots it is 1, for those that come first.
    unit: u64,
    /// Slots that shares hold within their guarantee.
    guaranteed: u64,
    /// Shares that wait, the next one first.
    queue: BTreeSet<Turn>,
    next_ticket: u64,
}

#[derive(Debug)]
struct Share<W> {
    weight: u32,
    held: u32,
    waiting: VecDeque<Request<W>>,
}

#[derive(Debug)]
struct Request<W> {
    ticket: u64,
    slots: u32,
    waits: W,
}

/// A share's place in the queue: one that is below its guarantee before those that borrow, then whoever has the least for its weight, then
/// whoever waits for longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    borrows: bool,
    load: u64,
    ticket: u64,
    share: usize,
}

/// A request that has its slots now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Granted<W> {
    pub(super) slots: u32,
    pub(super) waits: W,
}

impl<W> Share<W> {
    /// Whether so many more slots are beyond what is guaranteed. A share's first instance never is, however many memories it has.
    fn borrows(&self, slots: u32, guarantee: u64) -> bool {
        self.held > 0 && u64::from(self.held + slots) > guarantee
    }

    fn turn(&self, share: usize, guarantee: u64) -> Option<Turn> {
        let first = self.waiting.front()?;
        Some(Turn {
            borrows: self.borrows(first.slots, guarantee),
            load: (u64::from(self.held) << 20) / u64::from(self.weight),
            ticket: first.ticket,
            share,
        })
    }
}

impl<W> Scheduler<W> {
    pub(super) fn new(total: u32) -> Self {
        Self {
            total,
            free: total,
            shares: Vec::new(),
            vacant: Vec::new(),
            count: 0,
            weights: 0,
            unit: 1,
            guaranteed: 0,
            queue: BTreeSet::new(),
            next_ticket: 0,
        }
    }

    pub(super) fn free(&self) -> u32 {
        self.free
    }

    /// Whether somebody waits.
    pub(super) fn is_wanted(&self) -> bool {
        !self.queue.is_empty()
    }

    /// A new share, and who has slots now that there are more of them.
    pub(super) fn join(&mut self, weight: u32) -> (usize, Vec<Granted<W>>) {
        let weight = weight.max(1);
        let share = Share {
            weight,
            held: 0,
            waiting: VecDeque::new(),
        };
        let place = self.vacant.pop().unwrap_or(self.shares.len());
        match self.shares.get_mut(place) {
            Some(vacant) => *vacant = Some(share),
            None => self.shares.push(Some(share)),
        }
        self.recount(self.count + 1, self.weights + u64::from(weight));
        (place, self.dispatch())
    }

    /// A share that holds nothing and waits for nothing is not there any more. What others may have now goes to those who wait.
    pub(super) fn leave(&mut self, share: usize) -> Vec<Granted<W>> {
        let Some(gone) = self.shares.get_mut(share).and_then(Option::take) else {
            return Vec::new();
        };
        self.vacant.push(share);
        self.recount(self.count - 1, self.weights - u64::from(gone.weight));
        self.dispatch()
    }

    /// Takes slots for `share`, unless it has to wait.
    pub(super) fn try_take(&mut self, share: usize, slots: u32) -> bool {
        let guarantee = self.guarantee(share);
        let Some(of) = self.shares.get(share).and_then(Option::as_ref) else {
            return false;
        };
        let borrows = of.borrows(slots, guarantee);
        let others_first = self.queue.first().is_some_and(|first| borrows || !first.borrows);
        let takes = of.waiting.is_empty() && !others_first && self.fits(share, slots, borrows);
        if takes {
            self.take(share, slots);
        }
        takes
    }

    /// Puts a request into the queue. Its ticket, and who has slots now: it may be among them, where it passes others.
    pub(super) fn wait(&mut self, share: usize, slots: u32, waits: W) -> (u64, Vec<Granted<W>>) {
        self.next_ticket += 1;
        let ticket = self.next_ticket;
        self.change(share, |share| {
            share.waiting.push_back(Request { ticket, slots, waits });
        });
        (ticket, self.dispatch())
    }

    /// Takes a request out of the queue, where it is still in it. Who has their slots now that were behind it.
    pub(super) fn cancel(&mut self, share: usize, ticket: u64) -> Vec<Granted<W>> {
        self.change(share, |share| {
            if let Ok(place) = share.waiting.binary_search_by_key(&ticket, |it| it.ticket) {
                share.waiting.remove(place);
            }
        });
        self.dispatch()
    }

    /// Gives slots back. Who has them now.
    pub(super) fn give_back(&mut self, share: usize, slots: u32) -> Vec<Granted<W>> {
        self.hold(share, |held| held.saturating_sub(slots));
        self.free += slots;
        self.dispatch()
    }

    /// Hands out what is free, in the order of the queue.
    fn dispatch(&mut self) -> Vec<Granted<W>> {
        let mut granted = Vec::new();
        while self.free > 0
            && let Some(turn) = self.next()
        {
            let mut first = None;
            self.change(turn.share, |share| first = share.waiting.pop_front());
            let Some(Request { slots, waits, .. }) = first else {
                break;
            };
            self.take(turn.share, slots);
            granted.push(Granted { slots, waits });
        }
        granted
    }

    /// The share whose turn it is. One that does not fit below its guarantee lets others pass that do, and nobody borrow meanwhile.
    fn next(&self) -> Option<Turn> {
        let fits = |turn: &&Turn| {
            let first = self.shares.get(turn.share)?.as_ref()?.waiting.front()?;
            self.fits(turn.share, first.slots, turn.borrows).then_some(())
        };
        let first = self.queue.first()?;
        let turn = match first.borrows {
            true => Some(first).filter(|it| fits(it).is_some()),
            false => self
                .queue
                .iter()
                .take_while(|it| !it.borrows)
                .find(|it| fits(it).is_some()),
        };
        turn.copied()
    }

    /// Whether so many slots are free for a share: all of them within its guarantee; beyond it, those that are not guaranteed to others.
    fn fits(&self, share: usize, slots: u32, borrows: bool) -> bool {
        let Some(left) = self.free.checked_sub(slots) else {
            return false;
        };
        !borrows || u64::from(left) >= self.reserved().saturating_sub(self.more_guaranteed(share, slots))
    }

    /// Slots of the reserve that nobody holds.
    fn reserved(&self) -> u64 {
        let all = u64::from(self.total / RESERVE).min(self.unit * self.weights);
        all.saturating_sub(self.guaranteed)
    }

    /// How many of so many more slots are within a share's guarantee.
    fn more_guaranteed(&self, share: usize, slots: u32) -> u64 {
        let held = self
            .shares
            .get(share)
            .and_then(Option::as_ref)
            .map_or(0, |it| it.held);
        let guarantee = self.guarantee(share);
        u64::from(held + slots).min(guarantee) - u64::from(held).min(guarantee)
    }

    /// Slots that are guaranteed to a share: all, where there is no other.
    fn guarantee(&self, share: usize) -> u64 {
        if self.count < 2 {
            return u64::from(self.total);
        }
        let share = self.shares.get(share).and_then(Option::as_ref);
        share.map_or(0, |it| u64::from(it.weight) * self.unit)
    }

    fn take(&mut self, share: usize, slots: u32) {
        self.free -= slots;
        self.hold(share, |held| held + slots);
    }

    fn hold(&mut self, share: usize, held: impl FnOnce(u32) -> u32) {
        let guarantee = self.guarantee(share);
        let (mut before, mut after) = (0, 0);
        self.change(share, |share| {
            before = u64::from(share.held).min(guarantee);
            share.held = held(share.held);
            after = u64::from(share.held).min(guarantee);
        });
        self.guaranteed = self.guaranteed + after - before;
    }

    /// Changes a share, and its place in the queue.
    fn change(&mut self, place: usize, change: impl FnOnce(&mut Share<W>)) {
        let guarantee = self.guarantee(place);
        let Some(share) = self.shares.get_mut(place).and_then(Option::as_mut) else {
            return;
        };
        let before = share.turn(place, guarantee);
        change(share);
        let after = share.turn(place, guarantee);
        if before != after {
            before.map(|turn| self.queue.remove(&turn));
            self.queue.extend(after);
        }
    }

    /// Counts the shares anew. What is guaranteed to each changes only where there are few: at most as many as the reserve has slots.
    fn recount(&mut self, count: usize, weights: u64) {
        let unit = (u64::from(self.total / RESERVE) / weights.max(1)).max(1);
        let changes = unit != self.unit || count.min(self.count) < 2;
        (self.count, self.weights, self.unit) = (count, weights, unit);
        if !changes {
            return;
        }
        self.guaranteed = 0;
        self.queue.clear();
        for place in 0..self.shares.len() {
            let guarantee = self.guarantee(place);
            if let Some(share) = self.shares.get(place).and_then(Option::as_ref) {
                self.guaranteed += u64::from(share.held).min(guarantee);
                self.queue.extend(share.turn(place, guarantee));
            }
        }
    }
}

#[cfg(test)]
mod tests;
