//! A wall-clock deadline that costs nothing where the work is done at once.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

pin_project_lite::pin_project! {
    /// See [`by`].
    pub(crate) struct Deadline<F> {
        #[pin]
        inner: F,
        at: Instant,
        sleep: Option<Pin<Box<Sleep>>>,
    }
}

/// The deadline passed.
#[derive(Debug)]
pub(crate) struct Passed;

/// Ends `inner` where it is not done at `at`. The timer is set when `inner` waits for the first time, since most requests never do,
/// and timers of one runtime share a lock.
pub(crate) fn by<F: Future>(at: Instant, inner: F) -> Deadline<F> {
    Deadline {
        inner,
        at,
        sleep: None,
    }
}

/// When a request that began at `start` must be done. A limit of years counts as thirty of them.
pub(crate) fn after(start: Instant, limit: Duration) -> Instant {
    start
        .checked_add(limit)
        .unwrap_or_else(|| start + Duration::from_secs(30 * 365 * 24 * 3600))
}

impl<F: Future> Future for Deadline<F> {
    type Output = Result<F::Output, Passed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.inner.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        let at = *this.at;
        let sleep = this
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        sleep.as_mut().poll(cx).map(|()| Err(Passed))
    }
}
