//! The thread that advances the epoch of every engine, and sleeps while no instance exists. What a tick does to a guest is in
//! `limiter`.

use crate::cpu::{EPOCH, TICK};
use crate::lane;
use crate::pool::Slots;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Mutex, OnceLock, PoisonError, Weak};
use std::thread::Thread;
use wasmtime::EngineWeak;

static ASLEEP: AtomicBool = AtomicBool::new(false);
static THREAD: OnceLock<Option<Thread>> = OnceLock::new();
static WATCHED: Mutex<Vec<(EngineWeak, Weak<Slots>)>> = Mutex::new(Vec::new());

/// Advances the epoch of `engine` from now on, whenever a slot is taken.
pub(crate) fn watch(engine: EngineWeak, slots: Weak<Slots>) {
    WATCHED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push((engine, slots));
    let started = THREAD.get_or_init(|| {
        let thread = std::thread::Builder::new().name("epoch".into()).spawn(run);
        thread.map(|handle| handle.thread().clone()).ok()
    });
    if started.is_none() {
        // Without a ticker no guest would ever be stopped.
        tracing::error!("cannot start the thread that keeps limits.cpuTime: no guest can be run safely");
        std::process::abort();
    }
    wake();
}

/// Wakes the ticker where it sleeps. Call it after a slot was taken and a full fence.
pub(crate) fn wake() {
    if ASLEEP.load(Ordering::Relaxed)
        && ASLEEP.swap(false, Ordering::AcqRel)
        && let Some(Some(thread)) = THREAD.get()
    {
        thread.unpark();
    }
}

/// Whether no tick comes before somebody takes a slot. Who does then sees the next one a whole tick later, always.
pub(crate) fn asleep() -> bool {
    ASLEEP.load(Ordering::Relaxed)
}

fn run() {
    loop {
        std::thread::sleep(TICK);
        EPOCH.fetch_add(1, Ordering::Relaxed);
        lane::tick();
        if !advance() {
            ASLEEP.store(true, Ordering::Release);
            // Either this sees the slot that was just taken, or who took it sees that the ticker is asleep.
            fence(Ordering::SeqCst);
            if all_idle() {
                while ASLEEP.load(Ordering::Acquire) {
                    std::thread::park();
                }
            } else {
                ASLEEP.store(false, Ordering::Release);
            }
        }
    }
}

/// One tick for every engine; whether any has an instance.
fn advance() -> bool {
    let mut busy = false;
    WATCHED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .retain(|(engine, slots)| {
            let (Some(engine), Some(slots)) = (engine.upgrade(), slots.upgrade()) else {
                return false;
            };
            engine.increment_epoch();
            busy |= !slots.idle();
            true
        });
    busy
}

fn all_idle() -> bool {
    let watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
    watched
        .iter()
        .all(|(_, slots)| slots.upgrade().is_none_or(|slots| slots.idle()))
}
