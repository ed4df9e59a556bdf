//! The threads of the lane: one for each processor, which have what all others leave of it. Which calls they run is not decided here.
//!
//! Their policy is `SCHED_IDLE` (sched(7)): whoever else wakes up goes before them, at once, and finds a processor that they are on as good as an
//! idle one. A lower nice value would not do: a thread that has used its share waits for the next tick of the kernel, some milliseconds, behind any
//! thread that has not.
//!
//! That alone would let them starve where answers at once keep all processors busy. So a lane that has waited for [`PATIENCE`] is noticed
//! at a tick, and one of those others rests for as long as a turn takes.

use super::turns::Turns;
use crate::Share;
use crate::cpu::{TICK, computed};
use async_task::{Runnable, Task};
use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};

/// Ticks without any turn in the lane after which others make room for one: it has a fifth of one processor at the least.
const PATIENCE: u32 = 4;
/// How often that doubles where it does not help, since other processes have the processors: up to a quarter of a second.
const DOUBLINGS: u32 = 6;

static LANE: OnceLock<Lane> = OnceLock::new();

thread_local! {
    static IN_LANE: Cell<bool> = const { Cell::new(false) };
}

/// Calls that wait for their turn, and those who give it to them.
#[derive(Default)]
pub(super) struct Lane {
    queue: Mutex<Turns<Runnable>>,
    more: Condvar,
    /// Calls that wait for a turn, or have it.
    eager: AtomicUsize,
    /// Turns that ended.
    turns: AtomicU64,
    waited: Mutex<Waited>,
    /// Whether somebody is to make room.
    starved: AtomicBool,
}

/// For how long no turn has ended.
#[derive(Default)]
struct Waited {
    turns: u64,
    ticks: u32,
    /// How often others made room since then.
    rests: u32,
}

impl Waited {
    /// A tick; whether that was one too many.
    fn tick(&mut self, eager: bool, turns: u64) -> bool {
        if !eager || turns != self.turns {
            let (ticks, rests) = (0, 0);
            *self = Self { turns, ticks, rests };
            return false;
        }
        self.ticks += 1;
        // One rest may be too short for the end of a turn.
        let doublings = self.rests.saturating_sub(1).min(DOUBLINGS);
        let starved = self.ticks >= PATIENCE << doublings;
        if starved {
            self.ticks = 0;
            self.rests += 1;
        }
        starved
    }
}

/// The lane of this process, which is started where it has not been.
pub(super) fn lane() -> io::Result<&'static Lane> {
    static STARTING: Mutex<()> = Mutex::new(());
    if let Some(lane) = LANE.get() {
        return Ok(lane);
    }
    let _one_at_a_time = lock(&STARTING);
    if let Some(lane) = LANE.get() {
        return Ok(lane);
    }
    start(std::thread::available_parallelism().map_or(1, usize::from))?;
    Ok(LANE.get_or_init(Lane::default))
}

/// Whether this thread is one of the lane's.
pub(super) fn in_lane() -> bool {
    IN_LANE.get()
}

/// Ahead of a call that is not in the lane: where the lane has waited for too long, this thread makes room for a turn in it.
pub(super) fn rest() {
    let Some(lane) = LANE.get() else { return };
    if lane.starved.load(Ordering::Relaxed) && !in_lane() && lane.starved.swap(false, Ordering::Relaxed) {
        std::thread::sleep(TICK);
    }
}

/// A tick went by.
pub(crate) fn tick() {
    let Some(lane) = LANE.get() else { return };
    let eager = lane.eager.load(Ordering::Relaxed) > 0;
    let turns = lane.turns.load(Ordering::Relaxed);
    if lock(&lane.waited).tick(eager, turns) {
        lane.starved.store(true, Ordering::Relaxed);
    }
}

impl Lane {
    /// Runs `call` to its end, on the time of its share, or until what is returned is dropped. A panic in it is that of who waits for it.
    pub(super) fn spawn<F>(&'static self, share: Arc<Share>, call: F) -> Task<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let (runnable, task) = async_task::Builder::new()
            .propagate_panic(true)
            .spawn(|()| call, move |runnable| self.wait(&share, runnable));
        runnable.schedule();
        task
    }

    fn wait(&self, share: &Share, runnable: Runnable) {
        self.eager.fetch_add(1, Ordering::Relaxed);
        lock(&self.queue).push(share.id(), share.weight(), runnable);
        self.more.notify_one();
    }

    fn work(&self) -> ! {
        let mut queue = lock(&self.queue);
        let mut before = computed();
        loop {
            queue = self
                .more
                .wait_while(queue, |queue| queue.is_empty())
                .unwrap_or_else(PoisonError::into_inner);
            let Some((share, runnable)) = queue.next() else {
                continue;
            };
            drop(queue);
            // What a call panics with goes to who waits for it; here it would be a destructor that does.
            if catch_unwind(AssertUnwindSafe(|| runnable.run())).is_err() {
                tracing::error!("a call that was dropped panicked");
            }
            self.turns.fetch_add(1, Ordering::Relaxed);
            self.eager.fetch_sub(1, Ordering::Relaxed);
            let after = computed();
            let nanos = u64::try_from((after - before).as_nanos()).unwrap_or(u64::MAX);
            before = after;
            queue = lock(&self.queue);
            queue.ran(share, nanos);
        }
    }
}

/// Starts the threads, and returns when all are ready: later they may not be allowed what makes them so.
fn start(threads: usize) -> io::Result<()> {
    let (sender, ready) = mpsc::channel();
    for _ in 0..threads {
        let sender = sender.clone();
        std::thread::Builder::new().name("lane".into()).spawn(move || {
            IN_LANE.set(true);
            give_way();
            // Where another one could not be started, nobody listens.
            let _ = sender.send(());
            drop(sender);
            LANE.get_or_init(Lane::default).work()
        })?;
    }
    drop(sender);
    while ready.recv().is_ok() {}
    Ok(())
}

/// Makes the calling thread one that all others go before.
#[allow(unsafe_code, reason = "no library wraps sched_setscheduler for one thread")]
fn give_way() {
    // SAFETY: zeroes are a priority, the only one that this policy has.
    let parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    // SAFETY: the parameters outlive the call; 0 is the calling thread (sched_setscheduler(2)).
    if unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const parameters) } != 0 {
        let error = io::Error::last_os_error();
        tracing::warn!(%error, "guests that compute are not told apart from others: these may wait for them");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_of_the_lane_have_what_others_leave() {
        let lane = lane().expect("a lane");
        let (sender, policy) = mpsc::channel();
        // SAFETY: it takes no pointer.
        #[allow(unsafe_code, reason = "no library wraps sched_getscheduler")]
        let call = async move { sender.send((in_lane(), unsafe { libc::sched_getscheduler(0) })) };
        lane.spawn(Arc::default(), call).detach();
        assert_eq!(policy.recv(), Ok((true, libc::SCHED_IDLE)));
    }

    #[test]
    fn a_lane_that_waits_for_long_is_starved_and_one_without_calls_is_not() {
        let mut waited = Waited::default();
        let mut ticks =
            |n: u32, eager, turns| (0..n).map(|_| waited.tick(eager, turns)).filter(|it| *it).count();
        assert_eq!(ticks(100, false, 0), 0);
        assert_eq!(ticks(PATIENCE - 1, true, 0), 0);
        assert_eq!(ticks(1, true, 0), 1);
        // Again, as long as there is no turn; a turn begins the count anew.
        assert_eq!(ticks(PATIENCE, true, 0), 1);
        assert_eq!(ticks(PATIENCE - 1, true, 0), 0);
        assert_eq!(ticks(PATIENCE, true, 1), 0);
        assert_eq!(ticks(1, true, 1), 1);
    }

    #[test]
    fn where_making_room_does_not_help_it_is_done_ever_more_seldom() {
        let mut waited = Waited::default();
        let mut until = |turns| (1..).find(|_| waited.tick(true, turns)).unwrap_or(0);
        let rests: Vec<u32> = (0..10).map(|_| until(0)).collect();
        assert_eq!(rests, [4, 4, 8, 16, 32, 64, 128, 256, 256, 256]);
        // A turn begins it anew.
        assert_eq!((until(1), until(1), until(1)), (5, 4, 8));
    }
}
