//! CPU time by epochs: how many ticks went by while a thread was executing an instance. The ticking is in `ticker`.
//!
//! ```text
//! poll ──> since = now ── guest ── tick: spent += now - since ── guest or host ──> pending: spent += now - since
//! ```
//!
//! Reading a counter costs nothing beside reading the thread's CPU clock, which is a system call for every poll. The price is
//! precision: a stretch of work that a tick falls into counts as a whole one, any other as none, which is right on average.

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

#[derive(Clone, Copy)]
struct Clock {
    since: u64,
    spent: u64,
}

thread_local! {
    // Outside of a poll no time passes.
    static CLOCK: Cell<Clock> = const { Cell::new(Clock { since: u64::MAX, spent: 0 }) };
}

fn now() -> u64 {
    EPOCH.load(Ordering::Relaxed)
}

fn ticks(clock: Clock) -> u64 {
    clock.spent + now().saturating_sub(clock.since)
}

/// CPU time of the future that is being polled on this thread.
pub(crate) fn spent() -> Duration {
    let ticks = CLOCK.with(|clock| ticks(clock.get()));
    TICK.saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX))
}

/// Whether a future that [`metered`] made is being polled on this thread.
pub(crate) fn is_metered() -> bool {
    CLOCK.with(|clock| clock.get().since != u64::MAX)
}

pin_project_lite::pin_project! {
    /// A future whose CPU time is counted, see [`metered`].
    pub struct Metered<M, F> {
        meter: M,
        spent: u64,
        #[pin]
        inner: F,
    }
}

/// Counts the CPU time of `inner`, which calls one instance: for the instance's limiter, and for its component's meter.
pub fn metered<M: Deref<Target = Meter>, F: Future>(meter: M, inner: F) -> Metered<M, F> {
    Metered {
        meter,
        spent: 0,
        inner,
    }
}

impl<M: Deref<Target = Meter>, F: Future> Future for Metered<M, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let outer = CLOCK.replace(Clock {
            since: now(),
            spent: *this.spent,
        });
        let polled = this.inner.poll(cx);
        let before = *this.spent;
        *this.spent = ticks(CLOCK.replace(outer));
        this.meter.spend(*this.spent - before);
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    fn tick(n: u64) {
        EPOCH.fetch_add(n, Ordering::Relaxed);
    }

    // One test, since the counter is the process's.
    #[test]
    fn only_the_time_inside_a_poll_counts_and_nesting_does_not_leak() {
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
        tick(100);
        assert_eq!(future.poll_unpin(&mut cx), Poll::Ready(TICK * 16));
        assert_eq!(meter.cpu(), TICK * 16);
    }
}
