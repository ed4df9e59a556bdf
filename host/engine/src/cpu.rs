//! CPU time by epochs: how many ticks fell while a thread was executing an instance. The ticking is in `ticker`.
//!
//! ```text
//! poll ──> base = epoch, the thread's clock ── guest ── tick: spent += ticks since base ── guest or host ──> pending: spent += ticks since base
//! ```
//!
//! Reading a counter costs nothing beside reading the thread's CPU clock, which is a system call. The price is precision: a stretch
//! of work that a tick falls into counts as a whole one, any other as none, which is right on average. Of several ticks those count
//! that the thread has computed for: in the others the kernel ran somebody else. For that its clock is read at the first poll after each tick.
//!
//! Two kinds of polls count to the moment, since ticks would not be right on average: those of what has computed for more than a tick before
//! (such calls take turns, and may have little of each tick), and those that find no ticking (which begins with them, so that no tick ever fell
//! into a short call of a service that is called seldom).

use crate::{Meter, ticker};
use std::cell::Cell;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

/// The unit in which CPU time is counted.
pub const TICK: Duration = Duration::from_millis(1);

/// Ticks since the process started; stands still while no instance exists.
pub(crate) static EPOCH: AtomicU64 = AtomicU64::new(0);

/// A point in time of one thread.
#[derive(Clone, Copy)]
struct Mark {
    epoch: u64,
    /// The thread's own clock.
    cpu: Duration,
}

impl Mark {
    fn here() -> Self {
        Self {
            epoch: now(),
            cpu: computed(),
        }
    }
}

/// The poll that this thread is in.
#[derive(Clone, Copy)]
struct Clock {
    base: Mark,
    /// In the polls before.
    spent: Duration,
    /// Whether every moment counts.
    exact: bool,
}

thread_local! {
    /// Where the first poll since the last tick began.
    static LAST: Cell<Mark> = const { Cell::new(Mark { epoch: u64::MAX, cpu: Duration::ZERO }) };
    static CLOCK: Cell<Option<Clock>> = const { Cell::new(None) };
}

fn now() -> u64 {
    EPOCH.load(Ordering::Relaxed)
}

/// What this thread has computed since it started (`CLOCK_THREAD_CPUTIME_ID`, clock_gettime(2)).
pub(crate) fn computed() -> Duration {
    let clock = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(clock).unwrap_or_default()
}

/// Where a poll that begins now is counted from.
fn mark(exact: bool) -> Mark {
    let last = LAST.get();
    if !exact && last.epoch == now() {
        return last;
    }
    let mark = Mark::here();
    LAST.set(mark);
    mark
}

/// What counts of `ticks` in which the thread's clock went on by what `computed` says: one at the least.
fn count(ticks: u64, computed: impl FnOnce() -> Duration) -> Duration {
    match u32::try_from(ticks).unwrap_or(u32::MAX) {
        0 => Duration::ZERO,
        1 => TICK,
        ticks => computed().clamp(TICK, TICK * ticks),
    }
}

impl Clock {
    /// `seldom`: nothing ticks yet.
    fn start(spent: Duration, seldom: bool) -> Self {
        let exact = spent > TICK || seldom;
        Self {
            base: mark(exact),
            spent,
            exact,
        }
    }

    fn total(self) -> Duration {
        let since = || computed().saturating_sub(self.base.cpu);
        let more = match self.exact {
            true => since(),
            false => count(now().saturating_sub(self.base.epoch), since),
        };
        self.spent + more
    }
}

/// CPU time of the future that is being polled on this thread; none outside of a poll of one that [`metered`] made.
pub(crate) fn spent() -> Option<Duration> {
    CLOCK.get().map(Clock::total)
}

pin_project_lite::pin_project! {
    /// A future whose CPU time is counted, see [`metered`].
    pub struct Metered<M, F> {
        meter: M,
        spent: Duration,
        #[pin]
        inner: F,
    }
}

/// Counts the CPU time of `inner`, which calls one instance: for the instance's limiter, and for its component's meter.
pub fn metered<M: Deref<Target = Meter>, F: Future>(meter: M, inner: F) -> Metered<M, F> {
    Metered {
        meter,
        spent: Duration::ZERO,
        inner,
    }
}

impl<M: Deref<Target = Meter>, F: Future> Future for Metered<M, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let clock = Clock::start(*this.spent, ticker::asleep());
        let outer = CLOCK.replace(Some(clock));
        let polled = this.inner.poll(cx);
        CLOCK.set(outer);
        *this.spent = clock.total();
        this.meter.spend(*this.spent - clock.spent);
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    fn compute(time: Duration) {
        let until = computed() + time;
        while computed() < until {}
    }

    /// Computes until this thread has for `n` ticks, which go by.
    fn tick(n: u32) {
        compute(TICK * n);
        EPOCH.fetch_add(n.into(), Ordering::Relaxed);
    }

    // One test, since the counter is the process's.
    #[test]
    fn only_what_is_computed_inside_a_poll_counts_to_the_moment_where_it_is_long_or_seldom() {
        let mut polls = 0;
        let meter = Meter::default();
        let mut future = metered(
            &meter,
            std::future::poll_fn(move |_| {
                polls += 1;
                tick(3);
                assert!(
                    metered(&Meter::default(), async { tick(5) })
                        .now_or_never()
                        .is_some()
                );
                if polls == 2 {
                    // 3 of its own in each poll, and 5 of the future within, which ran on its time.
                    return Poll::Ready(spent());
                }
                Poll::Pending
            }),
        );
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(future.poll_unpin(&mut cx).is_pending());
        assert_eq!(meter.cpu(), TICK * 8);
        tick(10);
        let Poll::Ready(Some(all)) = future.poll_unpin(&mut cx) else {
            panic!("it ends in a poll");
        };
        // To the moment, now that it has computed for more than a tick.
        assert!((TICK * 16..TICK * 26).contains(&all), "{all:?}");
        assert!((all..TICK * 26).contains(&meter.cpu()), "{:?}", meter.cpu());
        assert_eq!(spent(), None);

        let (short, begun) = (TICK / 4, computed());
        let [often, seldom] = [false, true].map(|seldom| {
            let clock = Clock::start(Duration::ZERO, seldom);
            compute(short);
            clock.total()
        });
        assert_eq!(often, Duration::ZERO);
        assert!((short..=computed() - begun).contains(&seldom), "{seldom:?}");
    }

    #[test]
    fn ticks_in_which_the_kernel_ran_somebody_else_do_not_count() {
        assert_eq!(count(0, || unreachable!()), Duration::ZERO);
        assert_eq!(count(1, || unreachable!()), TICK);
        assert_eq!(count(40, || TICK / 2), TICK);
        assert_eq!(count(40, || TICK * 7 / 2), TICK * 7 / 2);
        assert_eq!(count(2, || TICK * 1000), TICK * 2);
    }
}
