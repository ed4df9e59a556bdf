//! A container in the table: its record, and what is known of it while the daemon runs. The table is `table`.

use crate::broker::Broker;
use crate::node::lock;
use crate::pods::{Pod, Pods};
use crate::record::{Container, Program, State};
use crate::worker::Worker;
use shoal_protocol::{Exit, Usage};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use tokio::sync::{oneshot, watch};

/// A container.
pub(crate) struct Entry {
    pub(crate) id: String,
    /// None for a pause container.
    pub(crate) program: Option<Arc<Program>>,
    pub(crate) record: Mutex<Container>,
    /// What it has used.
    pub(crate) usage: Mutex<Usage>,
    /// What its worker asks for in its name.
    pub(crate) broker: Broker,
    /// What it shares with the other containers of its pod.
    pub(crate) pod: Arc<Pod>,
    /// Whether everybody was told of its end.
    pub(crate) ended: watch::Sender<bool>,
    /// Who waits for its worker's answer to a start.
    pub(crate) starting: Mutex<Option<oneshot::Sender<Result<(), String>>>>,
    /// What kubelet asked of it goes one after the other.
    pub(crate) turn: tokio::sync::Mutex<()>,
    /// Whether it was asked to end.
    pub(crate) stopping: AtomicBool,
    /// The worker that it is in.
    worker: Mutex<Option<Arc<Worker>>>,
}

impl Entry {
    pub(crate) fn new(record: Container, pods: &Pods) -> Arc<Self> {
        let ended = matches!(record.state, State::Stopped { .. });
        Arc::new(Self {
            id: record.id.clone(),
            program: record.program.clone(),
            pod: pods.pod(record.program.as_ref().map_or(&record.id, |it| &it.sandbox)),
            record: Mutex::new(record),
            usage: Mutex::default(),
            broker: Broker::default(),
            ended: watch::Sender::new(ended),
            starting: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            stopping: AtomicBool::default(),
            worker: Mutex::default(),
        })
    }

    /// What is known of it now.
    pub(crate) fn get(&self) -> Container {
        lock(&self.record).clone()
    }

    pub(crate) fn state(&self) -> State {
        lock(&self.record).state.clone()
    }

    /// Whether it runs.
    pub(crate) fn runs(&self) -> bool {
        matches!(lock(&self.record).state, State::Running)
    }

    /// The worker that it is in; none before its first start, and once that worker was given up.
    pub(crate) fn worker(&self) -> Option<Arc<Worker>> {
        lock(&self.worker).clone()
    }

    pub(crate) fn join(&self, worker: &Arc<Worker>) {
        *lock(&self.worker) = Some(Arc::clone(worker));
    }

    /// Takes note that it is not in `worker` any more; false where it is in another one by now.
    pub(crate) fn leave(&self, worker: &Worker) -> bool {
        let left = lock(&self.worker).take_if(|it| std::ptr::eq(Arc::as_ptr(it), worker));
        left.is_some()
    }

    /// Passes the worker's answer on to whoever waits for the start.
    pub(crate) fn started(&self, result: Result<(), String>) {
        if let Some(starting) = lock(&self.starting).take() {
            // Nobody waits any more where the start was given up.
            let _ = starting.send(result);
        }
    }

    /// How it ended, and when, once everybody was told.
    pub(crate) async fn wait(&self) -> (Exit, SystemTime) {
        let mut ended = self.ended.subscribe();
        loop {
            // The sender lives in this entry.
            let _ = ended.wait_for(|ended| *ended).await;
            if let State::Stopped { exit, at } = self.state() {
                return (exit, at);
            }
            let _ = ended.changed().await;
        }
    }
}
