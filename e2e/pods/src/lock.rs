//! Which tests run side by side. A test that has a `Space` shares the cluster with others; one that disturbs them, or counts what all of
//! them leave on a node, takes the cluster for itself. Holds within one test program, whatever `--test-threads` says.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

/// Shares the cluster until dropped. Taken by each `Space`; a test without one takes it itself.
pub fn shared() -> Shared<'static> {
    CLUSTER.shared()
}

/// Waits until no other test uses the cluster, and keeps it from them until dropped. To be called before the test's first `Space`.
pub fn exclusive() -> Exclusive<'static> {
    CLUSTER.exclusive()
}

static CLUSTER: Lock = Lock::new();

/// A lock that a test, which is a thread, may share several times. Those who share go first: each thread that waits to be alone is
/// one less for the others, and there are only as many as `--test-threads` says.
struct Lock {
    state: Mutex<Option<State>>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    sharing: HashMap<ThreadId, u32>,
    waiting_to_share: u32,
    exclusive: Option<ThreadId>,
}

/// A share of the cluster.
pub struct Shared<'a> {
    lock: &'a Lock,
    thread: ThreadId,
}

/// The whole cluster.
pub struct Exclusive<'a>(&'a Lock);

impl Lock {
    const fn new() -> Self {
        Self {
            state: Mutex::new(None),
            changed: Condvar::new(),
        }
    }

    fn shared(&self) -> Shared<'_> {
        let thread = thread::current().id();
        let mut state = self.state();
        let mine = |state: &mut State| state.exclusive == Some(thread) || state.sharing.contains_key(&thread);
        if !mine(state.get_or_insert_default()) {
            state.get_or_insert_default().waiting_to_share += 1;
            state = self.wait(state, |state| state.exclusive.is_none());
            state.get_or_insert_default().waiting_to_share -= 1;
        }
        *state.get_or_insert_default().sharing.entry(thread).or_default() += 1;
        Shared { lock: self, thread }
    }

    fn exclusive(&self) -> Exclusive<'_> {
        let thread = thread::current().id();
        let mut state = self.state();
        let sharing = state.get_or_insert_default().sharing.contains_key(&thread);
        assert!(!sharing, "exclusive() comes before the test's first Space");
        state = self.wait(state, |state| {
            state.exclusive.is_none() && state.sharing.is_empty() && state.waiting_to_share == 0
        });
        state.get_or_insert_default().exclusive = Some(thread);
        Exclusive(self)
    }

    fn state(&self) -> MutexGuard<'_, Option<State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(
        &'a self,
        state: MutexGuard<'a, Option<State>>,
        mut free: impl FnMut(&State) -> bool,
    ) -> MutexGuard<'a, Option<State>> {
        let busy = |state: &mut Option<State>| !free(state.get_or_insert_default());
        self.changed
            .wait_while(state, busy)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and wakes all who wait.
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(self.state().get_or_insert_default());
        self.changed.notify_all();
    }
}

impl<'a> Exclusive<'a> {
    /// Lets the others in again, while this test goes on beside them.
    pub fn share(self) -> Shared<'a> {
        let lock = self.0;
        drop(self);
        lock.shared()
    }
}

impl Drop for Shared<'_> {
    fn drop(&mut self) {
        let thread = self.thread;
        self.lock.change(|state| {
            let count = state.sharing.get_mut(&thread).expect("it shares");
            *count -= 1;
            if *count == 0 {
                state.sharing.remove(&thread);
            }
        });
    }
}

impl Drop for Exclusive<'_> {
    fn drop(&mut self) {
        self.0.change(|state| state.exclusive = None);
    }
}

#[cfg(test)]
mod tests {
    use super::Lock;
    use std::sync::atomic::{AtomicI32, Ordering};
    use std::sync::{Barrier, mpsc};

    #[test]
    fn many_share_at_once_and_each_may_share_twice() {
        let (lock, all) = (Lock::new(), Barrier::new(4));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let _held = [lock.shared(), lock.shared()];
                    // Passed only where all four share.
                    all.wait();
                });
            }
        });
        drop(lock.exclusive());
    }

    #[test]
    fn one_that_is_alone_meets_nobody_and_may_share_with_itself() {
        let (lock, inside) = (Lock::new(), AtomicI32::new(0));
        std::thread::scope(|scope| {
            for number in 0..30 {
                let (lock, inside) = (&lock, &inside);
                scope.spawn(move || {
                    if number % 3 == 0 {
                        let _held = (lock.exclusive(), lock.shared());
                        assert_eq!(inside.fetch_add(100, Ordering::SeqCst), 0);
                        std::thread::yield_now();
                        inside.fetch_sub(100, Ordering::SeqCst);
                    } else {
                        let _held = lock.shared();
                        assert!(inside.fetch_add(1, Ordering::SeqCst) < 100);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
    }

    #[test]
    fn those_who_share_go_before_one_who_waits_to_be_alone() {
        let lock = Lock::new();
        let (order, seen) = mpsc::channel();
        let first = lock.shared();
        std::thread::scope(|scope| {
            let (lock, alone) = (&lock, order.clone());
            scope.spawn(move || {
                let _held = lock.exclusive();
                alone.send("alone").unwrap();
            });
            let shares = scope.spawn(move || {
                let _held = lock.shared();
                order.send("shared").unwrap();
            });
            shares.join().unwrap();
            drop(first);
        });
        assert_eq!(seen.try_iter().collect::<Vec<_>>(), ["shared", "alone"]);
    }

    #[test]
    #[should_panic(expected = "before the test's first Space")]
    fn one_that_shares_already_cannot_be_alone() {
        let lock = Lock::new();
        let _shared = lock.shared();
        let _never = lock.exclusive();
    }
}
