//! All pods, containers and workers of this node: one table, and what an earlier daemon left of it. What containerd asks of them is in
//! `containers` and `sandboxes`; what workers say, in `broker` and `workers`.

use crate::broker::Learned;
use crate::error::Error;
use crate::events::Events;
use crate::images::Images;
use crate::keeper::{Keeper, Left};
use crate::paths::Paths;
use crate::record::{Container, Domain, Sandbox, State, WorkerRecord};
use crate::records::{Loaded, Records, Unreadable};
use crate::report;
use crate::worker::{self, Worker};
use shoal_protocol::{Ending, Exit, Usage};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use tokio::sync::{oneshot, watch};

/// The table.
pub(crate) struct Node {
    pub(crate) paths: Paths,
    pub(crate) images: Images,
    pub(crate) events: Events,
    pub(crate) keeper: Keeper,
    sandboxes: Mutex<HashMap<String, SandboxEntry>>,
    containers: Mutex<HashMap<String, Arc<Entry>>>,
    /// By the name of their trust domain. Held while a worker starts, so that each domain has one.
    pub(crate) workers: tokio::sync::Mutex<HashMap<String, Arc<Worker>>>,
    sandbox_records: Records<Sandbox>,
    container_records: Records<Container>,
    pub(crate) worker_records: Records<WorkerRecord>,
}

struct SandboxEntry {
    record: Sandbox,
    stopped: watch::Sender<bool>,
}

/// A container in the table.
pub(crate) struct Entry {
    record: Mutex<Container>,
    /// What it has used.
    pub(crate) usage: Mutex<Usage>,
    /// The addresses that it may connect to by name.
    pub(crate) learned: Learned,
    /// Whether it has ended.
    ended: watch::Sender<bool>,
    /// Who waits for its worker's answer to a start.
    pub(crate) starting: Mutex<Option<oneshot::Sender<Result<(), String>>>>,
    /// What kubelet asked of it goes one after the other.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

impl Entry {
    fn new(record: Container) -> Arc<Self> {
        let ended = matches!(record.state, State::Stopped { .. });
        Arc::new(Self {
            record: Mutex::new(record),
            usage: Mutex::default(),
            learned: Learned::default(),
            ended: watch::Sender::new(ended),
            starting: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        })
    }

    /// What is known of it now.
    pub(crate) fn get(&self) -> Container {
        lock(&self.record).clone()
    }

    /// Whether it runs, or is to run, in the worker of this domain.
    pub(crate) fn is_in(&self, domain: &Domain) -> bool {
        let record = lock(&self.record);
        record
            .program
            .as_ref()
            .is_some_and(|program| program.domain == *domain)
    }

    /// Whether it is one of this pod's.
    pub(crate) fn is_of(&self, sandbox: &str) -> bool {
        let record = lock(&self.record);
        record
            .program
            .as_ref()
            .is_some_and(|program| program.sandbox == sandbox)
    }

    /// Whether it runs.
    pub(crate) fn runs(&self) -> bool {
        matches!(lock(&self.record).state, State::Running)
    }

    /// How it ended, and when, once it has.
    pub(crate) async fn wait(&self) -> (Exit, SystemTime) {
        let mut ended = self.ended.subscribe();
        loop {
            if let State::Stopped { exit, at } = lock(&self.record).state.clone() {
                return (exit, at);
            }
            // The sender lives in this entry.
            let _ = ended.changed().await;
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Node {
    /// The node as the records have it, with the workers that are still there.
    pub(crate) async fn restore(
        paths: Paths,
        images: Images,
        events: Events,
        keeper: Keeper,
        left: Left,
    ) -> Result<Arc<Self>, Error> {
        let sandbox_records = Records::open(paths.records("sandboxes"))?;
        let container_records = Records::open(paths.records("tasks"))?;
        let worker_records = Records::open(paths.records("domains"))?;
        let Loaded { records, unreadable } = sandbox_records.load()?;
        let lost = unreadable.iter().map(|it| Sandbox::lost(&it.id, &it.content));
        let sandboxes = records.into_iter().chain(lost).map(|record: Sandbox| {
            let stopped = watch::Sender::new(record.stopped.is_some());
            (record.id.clone(), SandboxEntry { record, stopped })
        });
        let Loaded { records, unreadable } = container_records.load()?;
        let lost = unreadable.iter().map(|it| Container::lost(&it.id, &it.content));
        let containers = records.into_iter().chain(lost);
        let containers = containers.map(|record: Container| (record.id.clone(), Entry::new(record)));
        let node = Arc::new(Self {
            sandboxes: Mutex::new(sandboxes.collect()),
            containers: Mutex::new(containers.collect()),
            workers: tokio::sync::Mutex::default(),
            paths,
            images,
            events,
            keeper,
            sandbox_records,
            container_records,
            worker_records,
        });
        for record in node.entries().iter().map(|entry| entry.get()) {
            if unreadable.iter().any(|it| it.id == record.id) {
                node.container_records.put(&record.id, &record)?;
            }
        }
        for lost in unreadable {
            node.lost(&lost)?;
        }
        node.adopt(left).await?;
        Ok(node)
    }

    /// Says that a container has ended whose record can't be read. Its worker, which still runs it, is told so when it says so.
    fn lost(&self, unreadable: &Unreadable) -> Result<(), Error> {
        let entry = self.container(&unreadable.id)?;
        let exit = Exit {
            ending: Ending::WorkerDied,
            message: unreadable.reason.clone(),
        };
        let log = unreadable.content.pointer("/program/terminationLog");
        if let Some(path) = log.and_then(serde_json::Value::as_str) {
            report::termination(Path::new(path), &exit);
        }
        self.ended(&entry, exit);
        Ok(())
    }

    /// Takes over the workers that an earlier daemon started. A container whose worker is gone has ended.
    async fn adopt(self: &Arc<Self>, mut left: Left) -> Result<(), Error> {
        let mut workers = HashMap::new();
        for record in self.worker_records.load()?.records {
            let name = record.domain.name.clone();
            let kept = left.kept.remove(&worker::kept(&record.domain));
            match kept.map(|kept| Worker::adopt(&self.paths, record, kept)) {
                Some(Ok(worker)) => {
                    workers.insert(name, Arc::new(worker));
                }
                Some(Err(error)) => tracing::error!("the worker of {name} cannot be taken over: {error}"),
                None => self.worker_records.remove(&name),
            }
        }
        // Kept for a worker that was starting when its daemon died: nothing runs in it.
        for name in left.kept.keys() {
            self.keeper.forget(name).await;
        }
        *self.workers.lock().await = workers.clone();
        for worker in workers.into_values() {
            let running = self
                .entries()
                .into_iter()
                .filter(|entry| entry.is_in(worker.domain()))
                .map(|entry| entry.get())
                .filter(|container| matches!(container.state, State::Running));
            *lock(&worker.expected) = running.map(|container| container.id).collect();
            self.watch(&worker);
            let _ = worker.send(&worker.hello(), &[]).await;
            // Its last container may have gone just before the daemon did.
            self.retire_later(worker.domain());
        }
        for entry in self.entries() {
            let container = entry.get();
            let lost = match (&container.program, &container.state) {
                (Some(program), State::Running) => {
                    !self.workers.lock().await.contains_key(&program.domain.name)
                }
                _ => false,
            };
            if lost {
                let exit = Exit {
                    ending: Ending::WorkerDied,
                    message: "its worker ended while shoald was down".to_owned(),
                };
                self.ended(&entry, exit);
            }
        }
        Ok(())
    }

    /// Adds a pod, unless it is there already.
    pub(crate) fn add_sandbox(&self, record: Sandbox) -> Result<(), Error> {
        self.sandbox_records.put(&record.id, &record)?;
        let id = record.id.clone();
        lock(&self.sandboxes).entry(id).or_insert_with(|| SandboxEntry {
            record,
            stopped: watch::Sender::new(false),
        });
        Ok(())
    }

    pub(crate) fn sandbox(&self, id: &str) -> Result<Sandbox, Error> {
        let sandboxes = lock(&self.sandboxes);
        let found = sandboxes.get(id).map(|entry| entry.record.clone());
        found.ok_or_else(|| Error::NotFound {
            kind: "sandbox",
            id: id.to_owned(),
        })
    }

    /// Says that a pod was stopped.
    pub(crate) fn stop_sandbox(&self, id: &str) -> Result<(), Error> {
        let mut sandboxes = lock(&self.sandboxes);
        let Some(entry) = sandboxes.get_mut(id) else {
            return Ok(());
        };
        entry.record.stopped.get_or_insert_with(SystemTime::now);
        entry.stopped.send_replace(true);
        self.sandbox_records.put(id, &entry.record)
    }

    /// Waits until a pod was stopped, or is gone.
    pub(crate) async fn wait_sandbox(&self, id: &str) -> Result<Option<SystemTime>, Error> {
        let stopped = lock(&self.sandboxes)
            .get(id)
            .map(|entry| entry.stopped.subscribe());
        let mut stopped = stopped.ok_or_else(|| Error::NotFound {
            kind: "sandbox",
            id: id.to_owned(),
        })?;
        // An error: the entry was removed.
        let _ = stopped.wait_for(|stopped| *stopped).await;
        Ok(self.sandbox(id).ok().and_then(|sandbox| sandbox.stopped))
    }

    pub(crate) fn remove_sandbox(&self, id: &str) {
        if lock(&self.sandboxes).remove(id).is_some() {
            self.sandbox_records.remove(id);
        }
    }

    /// Adds a container, unless there is one of its name.
    pub(crate) fn add(&self, record: Container) -> Result<Arc<Entry>, Error> {
        let mut containers = lock(&self.containers);
        if containers.contains_key(&record.id) {
            return Err(Error::Exists {
                kind: "container",
                id: record.id,
            });
        }
        self.container_records.put(&record.id, &record)?;
        let entry = Entry::new(record.clone());
        containers.insert(record.id, Arc::clone(&entry));
        Ok(entry)
    }

    pub(crate) fn container(&self, id: &str) -> Result<Arc<Entry>, Error> {
        let containers = lock(&self.containers);
        containers.get(id).cloned().ok_or_else(|| Error::NotFound {
            kind: "container",
            id: id.to_owned(),
        })
    }

    /// All containers, in no order.
    pub(crate) fn entries(&self) -> Vec<Arc<Entry>> {
        lock(&self.containers).values().cloned().collect()
    }

    pub(crate) fn remove(&self, id: &str) {
        lock(&self.containers).remove(id);
        self.container_records.remove(id);
    }

    /// Writes a new state down, before anybody is told of it.
    pub(crate) fn set_state(&self, entry: &Entry, state: State) -> Result<(), Error> {
        let mut record = lock(&entry.record);
        record.state = state;
        self.container_records.put(&record.id, &record)
    }

    /// Says that a container has ended, once.
    pub(crate) fn ended(&self, entry: &Entry, exit: Exit) {
        let container = entry.get();
        if matches!(container.state, State::Stopped { .. }) {
            return;
        }
        let state = State::Stopped {
            exit: exit.clone(),
            at: SystemTime::now(),
        };
        if let Err(error) = self.set_state(entry, state) {
            tracing::error!(id = container.id, "{error}");
        }
        report::ended(self, &container, &exit);
        entry.ended.send_replace(true);
    }
}
