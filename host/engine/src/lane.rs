//! Where a call runs: at first on the thread that took it, among all those that answer at once; once it has computed for more than a
//! moment, in a lane of its own, among others of its kind. Where most calls of a component came to that, the next ones begin there.
//!
//! ```text
//! fair ── poll ── guest ── a second tick: to the executor and back ── the lane ── guest ── tick: the next one's turn ── ... ── answer
//!    │         └─ pending, or ended: as any future                       │
//!    └─ most of the component's calls compute ───────────────────────────┘
//! ```
//!
//! So however many guests compute, a request that can be answered at once is. What the lane has of the processors is in `threads`, and whose
//! turn it is in `turns`: services have the same time there, however many calls each has.

mod threads;
mod turns;

pub(crate) use threads::tick;

use crate::{Meter, Share};
use async_task::Task;
use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use threads::{Lane, lane};
use tokio::runtime::Handle;

thread_local! {
    /// Whether the call that is being polled on this thread has computed for more than a moment.
    static COMPUTED: Cell<bool> = const { Cell::new(false) };
}

/// The guest that runs on this thread has computed for some time: its call goes on in the lane.
pub(crate) fn leave() {
    COMPUTED.set(true);
}

/// Starts the lane where it has not been started. A process that gives up what it needs for that calls this before it does.
///
/// # Errors
///
/// Where its threads cannot be started.
pub fn start() -> io::Result<()> {
    lane().map(|_| ())
}

/// Runs `call`, of the component that `meter` counts for, on the thread that polls it, until it has computed for more than a moment; from
/// then on in the lane. Where that is what the component's calls usually do, it begins there. Dropped, it ends.
///
/// What it spawns is spawned where this is polled: in tokio's runtime of that thread.
pub fn fair<M, F>(meter: M, call: F) -> Fair<M, F>
where
    M: Deref<Target = Meter> + Unpin,
    F: Future<Output: Send> + Send + Unpin + 'static,
{
    Fair {
        meter,
        place: Place::Door(call),
    }
}

/// See [`fair`].
pub struct Fair<M, F: Future> {
    meter: M,
    place: Place<F>,
}

enum Place<F: Future> {
    /// Not polled yet.
    Door(F),
    Here(F),
    /// It began there, or went there from here. Dropped, it ends.
    Lane(Task<(F::Output, bool)>),
    /// Between two of these.
    Moving,
}

impl<M, F> Future for Fair<M, F>
where
    M: Deref<Target = Meter> + Unpin,
    F: Future<Output: Send> + Send + Unpin + 'static,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let mut place = std::mem::replace(&mut this.place, Place::Moving);
        if let Place::Door(call) = place {
            threads::rest();
            place = match other_lane(this.meter.computes()) {
                Some(lane) => Place::Lane(go(lane, this.meter.share(), call, false)),
                None => Place::Here(call),
            };
        }
        if let Place::Here(mut call) = place {
            let (polled, computed) = watch(&mut call, cx);
            if let Poll::Ready(output) = polled {
                this.meter.called(computed);
                return Poll::Ready(output);
            }
            // Where there is no lane it goes on here: it has asked to be woken.
            place = match other_lane(computed) {
                Some(lane) => Place::Lane(go(lane, this.meter.share(), call, true)),
                None => Place::Here(call),
            };
        }
        let Place::Lane(call) = &mut place else {
            this.place = place;
            return Poll::Pending;
        };
        let polled = Pin::new(call).poll(cx);
        this.place = place;
        let (output, computed) = ready!(polled);
        this.meter.called(computed);
        Poll::Ready(output)
    }
}

/// The lane, for a call that is to go there and is not in it.
fn other_lane(goes: bool) -> Option<&'static Lane> {
    (goes && !threads::in_lane()).then(lane).and_then(Result::ok)
}

/// Polls a call; whether it computed for more than a moment.
fn watch<F: Future + Unpin>(call: &mut F, cx: &mut Context<'_>) -> (Poll<F::Output>, bool) {
    COMPUTED.set(false);
    let polled = Pin::new(call).poll(cx);
    (polled, COMPUTED.take())
}

/// A call goes on in the lane; what came of it, and whether it computed for more than a moment there, or had before.
fn go<F>(lane: &'static Lane, share: &Arc<Share>, mut call: F, mut computed: bool) -> Task<(F::Output, bool)>
where
    F: Future<Output: Send> + Send + Unpin + 'static,
{
    let runtime = Handle::try_current();
    lane.spawn(Arc::clone(share), async move {
        let output = poll_fn(|cx| {
            let _runtime = runtime.as_ref().map(Handle::enter);
            let (polled, now) = watch(&mut call, cx);
            computed |= now;
            polled
        });
        (output.await, computed)
    })
}

#[cfg(test)]
mod tests;
