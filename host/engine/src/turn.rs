//! Whose turn it is to compute. A guest that has computed for a whole [`crate::TICK`] goes on only with a turn, and there is one
//! turn fewer than there are threads: however many guests compute, one thread is left for those that answer at once.
//!
//! ```text
//! poll ── guest ── tick: to the executor and back, then wait for a turn ── guest ── tick: turn back, wait for the next ── ...
//!                                                                         └─ pending, or ended: turn back
//! ```
//!
//! Turns are given in the order in which they were asked for. On a runtime with one thread there is one turn, and a guest delays
//! its neighbours by one tick at a time.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

thread_local! {
    // Of the guest that is being polled on this thread; `None` for one that has not computed for a tick.
    static TURN: RefCell<Option<OwnedSemaphorePermit>> = const { RefCell::new(None) };
}

/// The process's turns. They belong to the runtime that a guest first computed on: a process runs its guests on one.
fn turns() -> &'static Arc<Semaphore> {
    static TURNS: OnceLock<Arc<Semaphore>> = OnceLock::new();
    TURNS.get_or_init(|| {
        let threads = Handle::try_current().map_or(1, |handle| handle.metrics().num_workers());
        Arc::new(Semaphore::new(threads.saturating_sub(1).max(1)))
    })
}

/// Gives the turn of the guest on this thread to who has waited longest for it.
pub(crate) fn end() {
    TURN.with(RefCell::take);
}

/// Ends the turn, if there was one, and waits for the next.
pub(crate) fn next() -> Pin<Box<dyn Future<Output = ()> + Send>> {
    end();
    Box::pin(async {
        // First the others, and the events that wait for this thread.
        let mut yielded = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut yielded, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        // The semaphore is never closed.
        let turn = Arc::clone(turns()).acquire_owned().await.ok();
        TURN.set(turn);
    })
}
