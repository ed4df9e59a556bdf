//! CPU time by epochs: what a thread has computed since the last tick is charged to the instance that it executes when the next one falls.
//! The ticking is in `ticker`.
//!
//! ```text
//! poll ──> base = the thread's clock at the last tick ── guest ── tick: spent = clock - base ── guest or host ──> pending: spent += clock - base
//! ```
//!
//! Reading the thread's clock is a system call, so it is read once for each tick and thread, not for each poll. The price is precision: a
//! poll that a tick falls into is charged with all that its thread has computed since the tick before, any other with nothing,
//! which is right on average. Time in which the kernel ran another thread is nobody's.

use crate::Meter;
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

/// The poll that this thread is in.
#[derive(Clone, Copy)]
struct Clock {
    base: Mark,
    /// In the polls before.
    spent: Duration,
}

thread_local! {
    /// The first poll since the last tick began here.
    static LAST: Cell<Mark> = const { Cell::new(Mark { epoch: u64::MAX, cpu: Duration::ZERO }) };
    static CLOCK: Cell<Option<Clock>> = const { Cell::new(None) };
}

fn now() -> u64 {
    EPOCH.load(Ordering::Relaxed)
}

/// What this thread has computed since it started (`CLOCK_THREAD_CPUTIME_ID`, clock_gettime(2)).
fn computed() -> Duration {
    let clock = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(clock).unwrap_or_default()
}

/// Where a poll that begins now is charged from.
fn mark() -> Mark {
    let epoch = now();
    let last = LAST.get();
    if last.epoch == epoch {
        return last;
    }
    let mark = Mark {
        epoch,
        cpu: computed(),
    };
    LAST.set(mark);
    mark
}

/// What is charged for `ticks` in which the thread's clock went on by what `computed` says. A thread that had no instance to execute had no
/// ticks either: what it computed then is not counted.
fn charge(ticks: u64, computed: impl FnOnce() -> Duration) -> Duration {
    if ticks == 0 {
        return Duration::ZERO;
    }
    let ticks = TICK.saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX));
    computed().min(ticks)
}

impl Clock {
    fn total(self) -> Duration {
        let ticks = now().saturating_sub(self.base.epoch);
        self.spent + charge(ticks, || computed().saturating_sub(self.base.cpu))
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
        let clock = Clock {
            base: mark(),
            spent: *this.spent,
        };
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

    /// Computes until this thread has for `n` ticks, which go by.
    fn tick(n: u32) {
        let until = computed() + TICK * n;
        while computed() < until {}
        EPOCH.fetch_add(n.into(), Ordering::Relaxed);
    }

    // One test, since the counter is the process's.
    #[test]
    fn only_what_is_computed_inside_a_poll_counts_and_nesting_does_not_leak() {
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
        tick(10);
        assert_eq!(future.poll_unpin(&mut cx), Poll::Ready(Some(TICK * 16)));
        assert_eq!(meter.cpu(), TICK * 16);
        assert_eq!(spent(), None);
    }

    #[test]
    fn what_the_kernel_gave_to_others_is_not_charged() {
        assert_eq!(
            charge(0, || unreachable!("no tick, no system call")),
            Duration::ZERO
        );
        assert_eq!(charge(40, || TICK / 2), TICK / 2);
        assert_eq!(charge(2, || TICK * 1000), TICK * 2);
    }
}
