//! Whose turn it is in the lane: decisions alone, without a clock, a lock or a thread (stride scheduling, Waldspurger and Weihl 1995).
//!
//! Each share has a position that goes on by the time its calls had, divided by its weight; the share that is furthest behind is next. One
//! that was away begins where the others are: what it did not use is not saved for it.

use std::collections::{BTreeSet, HashMap, VecDeque};

/// Nanoseconds that a turn takes as long as it is not known how many it took: a tick.
pub(super) const TURN: u64 = 1_000_000;

/// Shares with calls in the lane, and their calls that wait for a turn.
#[derive(Debug)]
pub(super) struct Turns<T> {
    shares: HashMap<u64, Share<T>>,
    /// Position and name of those with a call that waits.
    ready: BTreeSet<(u64, u64)>,
    /// Where the share was whose turn was the last.
    now: u64,
    running: u32,
    /// Shares at which those are forgotten that are not here any more.
    purge_at: usize,
}

#[derive(Debug)]
struct Share<T> {
    position: u64,
    weight: u64,
    waiting: VecDeque<T>,
    running: u32,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self {
            shares: HashMap::new(),
            ready: BTreeSet::new(),
            now: 0,
            running: 0,
            purge_at: 16,
        }
    }
}

impl<T> Turns<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// A call of a share waits for a turn, behind those of the same share.
    pub(super) fn push(&mut self, share: u64, weight: u32, call: T) {
        let now = self.now;
        if self.shares.len() >= self.purge_at {
            self.shares.retain(|_, it| it.is_here() || it.position > now);
            self.purge_at = 2 * self.shares.len() + 16;
        }
        let row = self.shares.entry(share).or_insert_with(|| Share {
            position: now,
            weight: u64::from(weight.max(1)),
            waiting: VecDeque::new(),
            running: 0,
        });
        if !row.is_here() {
            row.position = row.position.max(now);
        }
        if row.waiting.is_empty() {
            self.ready.insert((row.position, share));
        }
        row.waiting.push_back(call);
    }

    /// The next call, and whose it is. Say how long it ran.
    pub(super) fn next(&mut self) -> Option<(u64, T)> {
        let (position, share) = self.ready.pop_first()?;
        self.now = self.now.max(position);
        let row = self.shares.get_mut(&share)?;
        let call = row.waiting.pop_front()?;
        row.running += 1;
        self.running += 1;
        row.position += TURN / row.weight;
        if !row.waiting.is_empty() {
            self.ready.insert((row.position, share));
        }
        Some((share, call))
    }

    /// A call of a share ran for so many nanoseconds.
    pub(super) fn ran(&mut self, share: u64, nanos: u64) {
        self.running = self.running.saturating_sub(1);
        if self.running == 0 && self.ready.is_empty() {
            // Nobody waited for what it had.
            return self.shares.clear();
        }
        let Some(row) = self.shares.get_mut(&share) else {
            return;
        };
        let before = row.position;
        row.running = row.running.saturating_sub(1);
        row.position = (before + nanos / row.weight).saturating_sub(TURN / row.weight);
        if self.ready.remove(&(before, share)) {
            self.ready.insert((row.position, share));
        }
    }
}

impl<T> Share<T> {
    /// Whether it has a call in the lane.
    fn is_here(&self) -> bool {
        self.running > 0 || !self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// So many turns of shares that always have more, each as long as `nanos` says; how many each had.
    fn turns(of: &mut Turns<u64>, count: u32, nanos: impl Fn(u64) -> u64) -> BTreeMap<u64, u32> {
        let mut had = BTreeMap::new();
        for _ in 0..count {
            let (share, call) = of.next().expect("somebody waits");
            *had.entry(share).or_default() += 1;
            of.ran(share, nanos(share));
            of.push(share, 1, call);
        }
        had
    }

    #[test]
    fn shares_have_the_same_time_however_many_calls_they_have() {
        let mut lane = Turns::default();
        for (share, calls) in [(1, 1), (2, 100), (3, 10)] {
            (0..calls).for_each(|call| lane.push(share, 1, call));
        }
        assert_eq!(
            turns(&mut lane, 300, |_| TURN),
            [(1, 100), (2, 100), (3, 100)].into()
        );
        // One whose turns are long has fewer of them.
        let had = turns(&mut lane, 500, |share| if share == 2 { 8 * TURN } else { TURN });
        assert!((25..=35).contains(&had[&2]), "{had:?}");
    }

    #[test]
    fn twice_the_weight_is_twice_the_time() {
        let mut lane = Turns::default();
        lane.push(1, 1, 0);
        lane.push(2, 2, 0);
        // The weight is the one that a share came with.
        assert_eq!(turns(&mut lane, 300, |_| TURN), [(1, 100), (2, 200)].into());
    }

    #[test]
    fn one_call_among_thousands_of_others_is_next_or_the_next_but_one_share() {
        let mut lane = Turns::default();
        for share in 0..50 {
            (0..100).for_each(|call| lane.push(share, 1, call));
        }
        turns(&mut lane, 1000, |_| TURN);
        lane.push(99, 1, 0);
        let place = (0..).find(|_| lane.next().is_some_and(|(share, _)| share == 99));
        assert!(place.is_some_and(|place| place <= 50), "{place:?}");
    }

    #[test]
    fn time_that_was_not_used_is_not_saved_and_time_that_was_is_not_forgotten() {
        let mut lane = Turns::default();
        lane.push(1, 1, 0);
        turns(&mut lane, 1000, |_| TURN);
        lane.push(2, 1, 0);
        let had = turns(&mut lane, 100, |_| TURN);
        assert!(had.values().all(|had| (49..=51).contains(had)), "{had:?}");
        // A share that ran for long while others waited, and comes again, is still behind them.
        lane.push(3, 1, 0);
        while lane.next().is_some_and(|(share, _)| share != 3) {}
        lane.ran(3, 50 * TURN);
        for share in 1..=3 {
            lane.push(share, 1, 0);
        }
        let order: Vec<_> = std::iter::from_fn(|| lane.next())
            .map(|(share, _)| share)
            .collect();
        assert_eq!(order.last(), Some(&3));
    }

    #[test]
    fn shares_that_are_gone_are_forgotten() {
        let mut lane = Turns::default();
        for share in 0..10_000 {
            lane.push(share, 1, ());
            lane.push(10_000, 1, ());
            while let Some((share, ())) = lane.next() {
                lane.ran(share, TURN);
            }
        }
        assert!(lane.shares.is_empty());
        // The same where one is never away.
        lane.push(10_000, 1, ());
        for share in 0..10_000 {
            lane.push(share, 1, ());
            for _ in 0..2 {
                let (share, ()) = lane.next().expect("two wait");
                if share == 10_000 {
                    lane.push(share, 1, ());
                }
                lane.ran(share, TURN);
            }
        }
        assert!(lane.shares.len() < 100, "{}", lane.shares.len());
    }
}
