//! Where a call runs: at first on the thread that took it, among all those that answer at once; once it has computed for more than a
//! moment, in a lane of its own, among others of its kind.
//!
//! ```text
//! fair ── poll ── guest ── a second tick: to the executor and back ── the lane ── guest ── tick: the next one's turn ── ... ── answer
//!              └─ pending, or ended: as any future
//! ```
//!
//! The lane has as many threads as there are processors. Where nobody else is at work it has all of them; else a quarter of what others
//! have. Its threads ask the kernel for long slices, which whoever wakes up and asks for less may cut short (sched(7); EEVDF, from Linux 6.12
//! on). So however many guests compute, a request that can be answered at once is.

use std::cell::Cell;
use std::io;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// Steps of nice(1) below the process's own. A step is about a tenth of the time, so this is a quarter of what an ordinary thread gets.
const NICE: i32 = 6;
/// What a thread of the lane would like to have at once. The kernel's default is about 3 ms.
const SLICE: Duration = Duration::from_millis(20);

thread_local! {
    /// Whether this thread is one of the lane's.
    static IN_LANE: Cell<bool> = const { Cell::new(false) };
    /// Whether the call that is being polled on this thread has computed for too long to stay.
    static LEAVES: Cell<bool> = const { Cell::new(false) };
}

/// The guest that runs on this thread has computed for some time: its call goes on in the lane.
pub(crate) fn leave() {
    LEAVES.set(!IN_LANE.get());
}

/// Starts the lane where it has not been started. A process that gives up what it needs for that calls this before it does.
///
/// # Errors
///
/// Where its threads cannot be started.
pub fn start() -> io::Result<()> {
    lane().map(|_| ())
}

/// Runs `call` on the thread that polls it, until it has computed for more than a moment; from then on in the lane. Dropped, it ends.
pub fn fair<F>(call: F) -> Fair<F>
where
    F: Future<Output: Send> + Send + Unpin + 'static,
{
    Fair {
        place: Place::Here(call),
    }
}

/// See [`fair`].
pub struct Fair<F: Future> {
    place: Place<F>,
}

enum Place<F: Future> {
    Here(F),
    Lane(JoinHandle<F::Output>),
    /// Between the two.
    Moving,
}

impl<F> Future for Fair<F>
where
    F: Future<Output: Send> + Send + Unpin + 'static,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if let Place::Here(call) = &mut self.place {
            LEAVES.set(false);
            let polled = Pin::new(call).poll(cx);
            // Where there is no lane it goes on here: it has asked to be woken.
            let lane = LEAVES.take().then(lane).and_then(Result::ok);
            let (Poll::Pending, Some(lane)) = (&polled, lane) else {
                return polled;
            };
            if let Place::Here(call) = std::mem::replace(&mut self.place, Place::Moving) {
                self.place = Place::Lane(lane.spawn(call));
            }
        }
        let Place::Lane(call) = &mut self.place else {
            return Poll::Pending;
        };
        match ready!(Pin::new(call).poll(cx)) {
            Ok(output) => Poll::Ready(output),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // Nobody but us ends it, and the lane is there for as long as the process is.
                Err(_) => Poll::Pending,
            },
        }
    }
}

impl<F: Future> Drop for Fair<F> {
    fn drop(&mut self) {
        if let Place::Lane(call) = &self.place {
            call.abort();
        }
    }
}

fn lane() -> io::Result<&'static Runtime> {
    static LANE: OnceLock<Runtime> = OnceLock::new();
    static MAKING: Mutex<()> = Mutex::new(());
    if let Some(lane) = LANE.get() {
        return Ok(lane);
    }
    let _one_at_a_time = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(lane) = LANE.get() {
        return Ok(lane);
    }
    let made = make()?;
    Ok(LANE.get_or_init(|| made))
}

/// Returns when all its threads are ready: later they may not be allowed what makes them so.
fn make() -> io::Result<Runtime> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (sender, ready) = mpsc::channel();
    let started = AtomicUsize::new(0);
    let runtime = Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("lane")
        .on_thread_start(move || {
            IN_LANE.set(true);
            // Those after them are for blocking work.
            if started.fetch_add(1, Ordering::Relaxed) < threads {
                give_way();
                // Nobody listens after the last of them.
                let _ = sender.send(());
            }
        })
        .enable_all()
        .build()?;
    for _ in 0..threads {
        // It holds the sender.
        let _ = ready.recv();
    }
    Ok(runtime)
}

/// The nice value of the lane's threads, asked for by one that has the process's own.
fn niced() -> i32 {
    let own = rustix::process::getpriority_process(None).unwrap_or_default();
    own.saturating_add(NICE).min(19)
}

/// Makes the calling thread one that others go before.
#[allow(unsafe_code, reason = "no library wraps sched_setattr")]
fn give_way() {
    // SAFETY: zeroes are a policy, the ordinary one.
    let mut attributes: libc::sched_attr = unsafe { std::mem::zeroed() };
    attributes.size = u32::try_from(size_of_val(&attributes)).unwrap_or_default();
    attributes.sched_nice = niced();
    attributes.sched_runtime = u64::try_from(SLICE.as_nanos()).unwrap_or_default();
    let (thread, flags): (libc::c_long, libc::c_long) = (0, 0);
    // SAFETY: the attributes are as many bytes as they say, and outlive the call (sched_setattr(2)).
    let done = unsafe { libc::syscall(libc::SYS_sched_setattr, thread, &raw const attributes, flags) };
    if done != 0 {
        let error = io::Error::last_os_error();
        tracing::debug!(%error, "threads for guests that compute are like all others");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::sync::Arc;

    /// Waits once, after it has computed as long as it `leaves` for; where it goes on.
    fn call(leaves: bool) -> impl Future<Output = bool> + Send + Unpin {
        let mut polls = 0;
        poll_fn(move |cx| {
            polls += 1;
            if polls == 2 {
                return Poll::Ready(IN_LANE.get());
            }
            if leaves {
                leave();
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }

    #[tokio::test]
    async fn a_call_stays_unless_it_has_computed() {
        assert!(!fair(call(false)).await);
        assert!(fair(call(true)).await);
        // One that has does not take the next with it.
        assert!(!fair(call(false)).await);
    }

    #[tokio::test]
    async fn in_the_lane_threads_give_way_to_others_and_calls_stay() {
        let nice = Box::pin(async {
            assert!(call(true).await);
            assert!(fair(call(true)).await);
            rustix::process::getpriority_process(None)
        });
        let nice = lane().expect("a lane").spawn(nice).await.expect("no panic");
        assert_eq!(nice.expect("a priority"), niced());
    }

    #[tokio::test]
    async fn a_call_in_the_lane_ends_with_who_waits_for_it() {
        let held = Arc::new(());
        let holds = Arc::clone(&held);
        let call = Box::pin(async move {
            call(true).await;
            let _holds = holds;
            std::future::pending::<()>().await;
        });
        let mut waits = fair(call);
        assert!(futures::poll!(&mut waits).is_pending());
        assert!(matches!(waits.place, Place::Lane(_)));
        drop(waits);
        while Arc::strong_count(&held) > 1 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    #[should_panic(expected = "in the lane")]
    async fn a_panic_in_the_lane_is_the_callers() {
        fair(Box::pin(async {
            call(true).await;
            panic!("in the lane");
        }))
        .await;
    }
}
