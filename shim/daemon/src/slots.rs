//! A slot for each trust domain: the worker that takes its containers now, and those that take no more. No lock here is held while
//! anything is awaited but the start of a worker of the same domain. Who starts, watches and buries workers is `workers`.

use crate::entry::Entry;
use crate::node::lock;
use crate::record::WorkerRecord;
use crate::worker::Worker;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Workers of one domain that were killed and have not ended. More of them mean that each new one meets the same fate, so no more are
/// started: each keeps its memory until the kernel lets it go.
pub(crate) const MAX_ENDING: usize = 8;
/// The first user that a worker may have; nobody's account, and beyond what kubelet gives to user namespaces.
const FIRST_UID: u32 = 2_000_000_000;

/// The slots of a node.
#[derive(Default)]
pub(crate) struct Slots {
    slots: Mutex<HashMap<String, Arc<Slot>>>,
    /// The number of the last worker. No two workers of a node have the same, so their folders, control groups and records have names of
    /// their own, however long one of them takes to end.
    generation: AtomicU64,
    users: Arc<Mutex<BTreeSet<u32>>>,
}

/// A trust domain's workers.
#[derive(Default)]
pub(crate) struct Slot {
    /// One at a time starts a worker here.
    pub(crate) starting: tokio::sync::Mutex<()>,
    workers: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    current: Option<Arc<Worker>>,
    /// Those that take no new containers: what they have may go on, or they were killed.
    ending: Vec<Arc<Worker>>,
}

/// A user number that no other worker has for as long as this lives.
#[derive(Debug)]
pub(crate) struct User {
    users: Arc<Mutex<BTreeSet<u32>>>,
    pub(crate) uid: u32,
}

impl Drop for User {
    fn drop(&mut self) {
        lock(&self.users).remove(&self.uid);
    }
}

impl Slots {
    /// The slot of a domain; made where there is none.
    pub(crate) fn slot(&self, domain: &str) -> Arc<Slot> {
        Arc::clone(lock(&self.slots).entry(domain.to_owned()).or_default())
    }

    /// Drops a slot that holds nothing and that nobody uses.
    pub(crate) fn sweep(&self, domain: &str) {
        let mut slots = lock(&self.slots);
        // Others get a slot from this table alone, which is locked.
        let unused = |slot: &Arc<Slot>| Arc::strong_count(slot) == 1 && slot.is_empty();
        if slots.get(domain).is_some_and(unused) {
            slots.remove(domain);
        }
    }

    /// The workers that take containers now.
    pub(crate) fn current(&self) -> Vec<Arc<Worker>> {
        let slots: Vec<_> = lock(&self.slots).values().cloned().collect();
        let current = slots
            .iter()
            .filter_map(|slot| lock(&slot.workers).current.clone());
        current.collect()
    }

    /// The number of the next worker.
    pub(crate) fn next(&self) -> u64 {
        self.generation.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A user that no worker has.
    pub(crate) fn user(&self) -> User {
        let mut users = lock(&self.users);
        let free = (FIRST_UID..).find(|uid| !users.contains(uid));
        let uid = free.unwrap_or(FIRST_UID);
        users.insert(uid);
        User {
            users: Arc::clone(&self.users),
            uid,
        }
    }

    /// Takes note of a worker that an earlier daemon started; its user.
    pub(crate) fn adopt(&self, record: &WorkerRecord) -> User {
        self.generation.fetch_max(record.generation, Ordering::Relaxed);
        lock(&self.users).insert(record.uid);
        User {
            users: Arc::clone(&self.users),
            uid: record.uid,
        }
    }
}

impl Slot {
    /// Puts a container into the worker that takes them now. From here on that worker is not idle.
    pub(crate) fn join(&self, entry: &Arc<Entry>) -> Option<Arc<Worker>> {
        let workers = lock(&self.workers);
        // One that is given up is set aside in a moment, and then emptied.
        let worker = workers.current.as_ref().filter(|it| !it.is_given_up())?;
        worker.add(entry);
        Some(Arc::clone(worker))
    }

    /// Makes `worker` the one that takes containers from now on. The one before takes no more.
    pub(crate) fn install(&self, worker: Arc<Worker>) {
        let mut workers = lock(&self.workers);
        let before = workers.current.replace(worker);
        workers.ending.extend(before);
    }

    /// Makes `new` the one that takes containers from now on, in place of `old`; false where another one has taken its place already.
    pub(crate) fn succeed(&self, old: &Arc<Worker>, new: &Arc<Worker>) -> bool {
        let mut workers = lock(&self.workers);
        let other = |it: &Arc<Worker>| !Arc::ptr_eq(it, old);
        if workers.current.as_ref().is_some_and(other) {
            workers.ending.push(Arc::clone(new));
            return false;
        }
        let before = workers.current.replace(Arc::clone(new));
        workers.ending.extend(before);
        true
    }

    /// Has `worker` take no more containers.
    pub(crate) fn set_aside(&self, worker: &Arc<Worker>) {
        let mut workers = lock(&self.workers);
        if workers.current.as_ref().is_some_and(|it| Arc::ptr_eq(it, worker)) {
            let aside = workers.current.take();
            workers.ending.extend(aside);
        }
    }

    /// Has `worker` take no more containers if it has none; false where it has some.
    pub(crate) fn set_aside_idle(&self, worker: &Arc<Worker>) -> bool {
        let mut workers = lock(&self.workers);
        if !worker.is_idle() {
            return false;
        }
        if workers.current.as_ref().is_some_and(|it| Arc::ptr_eq(it, worker)) {
            let aside = workers.current.take();
            workers.ending.extend(aside);
        }
        true
    }

    /// Forgets a worker that has ended.
    pub(crate) fn remove(&self, worker: &Arc<Worker>) {
        let mut workers = lock(&self.workers);
        workers.current.take_if(|it| Arc::ptr_eq(it, worker));
        workers.ending.retain(|it| !Arc::ptr_eq(it, worker));
    }

    /// How many of its workers were killed and have not ended.
    pub(crate) fn stuck(&self) -> usize {
        let workers = lock(&self.workers);
        // One that was given up just now has not been set aside yet.
        let all = workers.current.iter().chain(&workers.ending);
        all.filter(|it| it.is_given_up()).count()
    }

    fn is_empty(&self) -> bool {
        let workers = lock(&self.workers);
        workers.current.is_none() && workers.ending.is_empty()
    }
}
