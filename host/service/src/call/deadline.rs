//! A wall-clock deadline that costs nothing where the work is done at once.

use crate::call::pace::Look;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// A time at which something is over, which may move.
pub(crate) trait Due {
    /// Whether it may go on now.
    fn look(&self, now: Instant) -> Look;
}

impl Due for Instant {
    fn look(&self, now: Instant) -> Look {
        match *self <= now {
            true => Look::Over,
            false => Look::Again(*self),
        }
    }
}

pin_project_lite::pin_project! {
    /// See [`by`].
    pub(crate) struct Deadline<D, F> {
        #[pin]
        inner: F,
        due: D,
        sleep: Option<Pin<Box<Sleep>>>,
    }
}

/// The deadline passed.
#[derive(Debug)]
pub(crate) struct Passed;

/// Ends `inner` where it is not done when it is due. The timer is set when `inner` waits for the first time, since most requests never
/// do, and timers of one runtime share a lock.
pub(crate) fn by<D: Due, F: Future>(due: D, inner: F) -> Deadline<D, F> {
    Deadline {
        inner,
        due,
        sleep: None,
    }
}

/// When a request that began at `start` must be done. A limit of years counts as thirty of them.
pub(crate) fn after(start: Instant, limit: Duration) -> Instant {
    start
        .checked_add(limit)
        .unwrap_or_else(|| start + Duration::from_secs(30 * 365 * 24 * 3600))
}

impl<D: Due, F: Future> Future for Deadline<D, F> {
    type Output = Result<F::Output, Passed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.inner.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        loop {
            let Look::Again(at) = this.due.look(Instant::now()) else {
                return Poll::Ready(Err(Passed));
            };
            let sleep = this
                .sleep
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
            // Later is looked at when it rings; most that would move it on never wait so long.
            if at < sleep.deadline() || sleep.is_elapsed() {
                sleep.as_mut().reset(at);
            }
            ready!(sleep.as_mut().poll(cx));
        }
    }
}
