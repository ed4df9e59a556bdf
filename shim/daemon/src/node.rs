//! All pods, containers and workers of this node, and what an earlier daemon left of them. What containerd asks of them is in
//! `containers` and `sandbox_service`; the life of workers is in `workers`, what they say in `messages` and `broker`.

use crate::entry::Entry;
use crate::error::Error;
use crate::events::Events;
use crate::images::Images;
use crate::keeper::Keeper;
use crate::metrics::Counts;
use crate::paths::Paths;
use crate::pods::Pods;
use crate::process::Launch;
use crate::record::{Container, Sandbox, State, WorkerRecord};
use crate::records::{Loaded, Records, Unreadable};
use crate::report;
use crate::slots::Slots;
use crate::table::Table;
use shoal_protocol::{Ending, Exit};
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use tokio::sync::watch;

/// The table.
pub(crate) struct Node {
    pub(crate) paths: Paths,
    pub(crate) images: Images,
    pub(crate) events: Events,
    pub(crate) keeper: Keeper,
    sandboxes: Mutex<HashMap<String, SandboxEntry>>,
    containers: Mutex<Table>,
    pub(crate) pods: Pods,
    pub(crate) slots: Slots,
    pub(crate) launcher: Box<dyn Launch>,
    pub(crate) counts: Counts,
    sandbox_records: Records<Sandbox>,
    pub(crate) container_records: Records<Container>,
    pub(crate) worker_records: Records<WorkerRecord>,
}

struct SandboxEntry {
    record: Sandbox,
    stopped: watch::Sender<bool>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a node's table works with.
pub(crate) struct Edges {
    pub(crate) images: Images,
    pub(crate) events: Events,
    pub(crate) keeper: Keeper,
    pub(crate) launcher: Box<dyn Launch>,
}

impl Node {
    /// The node as the records have it, with the workers that are still there: those for which descriptors were `kept`.
    pub(crate) async fn restore(
        paths: Paths,
        edges: Edges,
        kept: HashMap<String, Vec<OwnedFd>>,
    ) -> Result<Arc<Self>, Error> {
        let Edges {
            images,
            events,
            keeper,
            launcher,
        } = edges;
        let sandbox_records = Records::open(paths.records("sandboxes"))?;
        let container_records = Records::open(paths.records("tasks"))?;
        let worker_records = Records::open(paths.records("domains"))?;
        let Loaded { records, unreadable } = sandbox_records.load()?;
        let lost = unreadable.iter().map(|it| Sandbox::lost(&it.id, &it.content));
        let sandboxes = records.into_iter().chain(lost).map(|record: Sandbox| {
            let stopped = watch::Sender::new(record.stopped.is_some());
            (record.id.clone(), SandboxEntry { record, stopped })
        });
        let (mut containers, pods) = (Table::default(), Pods::default());
        let Loaded { records, unreadable } = container_records.load()?;
        let lost = unreadable.iter().map(|it| Container::lost(&it.id, &it.content));
        for record in records.into_iter().chain(lost) {
            images.keep_named(&record);
            containers.insert(&Entry::new(record, &pods));
        }
        let node = Arc::new(Self {
            sandboxes: Mutex::new(sandboxes.collect()),
            containers: Mutex::new(containers),
            pods,
            slots: Slots::default(),
            launcher,
            counts: Counts::default(),
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
            node.lost(&lost).await?;
        }
        node.adopt(kept).await?;
        Ok(node)
    }

    /// Says that a container has ended whose record can't be read. Its worker, which still runs it, is told so when it says so.
    async fn lost(self: &Arc<Self>, unreadable: &Unreadable) -> Result<(), Error> {
        let entry = self.container(&unreadable.id)?;
        let exit = Exit {
            ending: Ending::WorkerDied,
            message: unreadable.reason.clone(),
        };
        let log = unreadable.content.pointer("/program/terminationLog");
        if let Some(path) = log.and_then(serde_json::Value::as_str) {
            report::termination(Path::new(path), &exit).await;
        }
        self.ended(&entry, exit);
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
        let entry = Entry::new(record.clone(), &self.pods);
        let mut containers = lock(&self.containers);
        if !containers.insert(&entry) {
            return Err(Error::Exists {
                kind: "container",
                id: record.id,
            });
        }
        if let Err(error) = self.container_records.put(&record.id, &record) {
            containers.remove(&record.id);
            return Err(error);
        }
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
        lock(&self.containers).all().cloned().collect()
    }

    /// The containers of a pod, without its pause container.
    pub(crate) fn of_pod(&self, sandbox: &str) -> Vec<Arc<Entry>> {
        lock(&self.containers).of_pod(sandbox)
    }

    pub(crate) fn remove(&self, id: &str) {
        lock(&self.containers).remove(id);
        self.container_records.remove(id);
        self.images.release(id);
    }

    /// Writes a new state down, before anybody is told of it; with the worker that it is in.
    pub(crate) fn set_state(&self, entry: &Entry, state: State) -> Result<(), Error> {
        let worker = entry.worker().map(|worker| worker.record.name());
        let mut record = lock(&entry.record);
        record.state = state;
        record.worker = worker;
        self.container_records.put(&record.id, &record)
    }

    /// Takes note that a container has ended, once, and has everybody told.
    pub(crate) fn ended(self: &Arc<Self>, entry: &Arc<Entry>, exit: Exit) {
        let container = {
            let mut record = lock(&entry.record);
            if matches!(record.state, State::Stopped { .. }) {
                return;
            }
            record.state = State::Stopped {
                exit: exit.clone(),
                at: SystemTime::now(),
            };
            if let Err(error) = self.container_records.put(&record.id, &record) {
                tracing::error!(id = record.id, "{error}");
            }
            record.clone()
        };
        let (node, entry) = (Arc::clone(self), Arc::clone(entry));
        tokio::spawn(async move {
            report::ended(&node, &container, &exit).await;
            entry.ended.send_replace(true);
        });
    }
}
