//! A worker, as the daemon sees it: what it is told, what it says, which containers are in it, and whether it was given up. Its process is
//! `process`'s, its life `workers`'.

use crate::entry::Entry;
use crate::error::Error;
use crate::moves::Moves;
use crate::node::lock;
use crate::process::{Launched, Process};
use crate::record::{Domain, WorkerRecord};
use crate::slots::User;
use shoal_channel::{AsyncChannel, Channel, ChannelError, Message};
use shoal_protocol::{FromWorker, ToWorker, Version};
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};

/// How long a worker may leave its channel full. It reads as fast as it can, whatever its guests do.
const SEND: Duration = Duration::from_secs(10);
/// What a worker may wait for at once, connections and lookups of all its containers together: each costs us a task, and a connection a
/// descriptor.
pub(crate) const MAX_ASKED: usize = 1024;
/// Answers that wait for a worker that does not read. One that asks for more than it may, and reads no answer, is given up.
const MAX_ANSWERS: usize = 4096;

/// A worker that was started and has not ended.
pub(crate) struct Worker {
    pub(crate) record: WorkerRecord,
    pub(crate) process: Box<dyn Process>,
    channel: AsyncChannel,
    /// Its containers: those that it was given, or will be in a moment. What it says of others is not believed.
    containers: Mutex<HashMap<String, Arc<Entry>>>,
    /// Containers that come to it, or leave it, while it and another worker run.
    pub(crate) moves: Moves,
    /// Whether it has answered the greeting.
    answered: watch::Sender<bool>,
    /// Containers that an earlier daemon had it start, until it has said what it runs.
    pub(crate) expected: Mutex<Vec<String>>,
    /// What it asks for and has not got yet.
    pub(crate) asked: Arc<Semaphore>,
    answers: mpsc::Sender<ToWorker>,
    /// Whether it has said something that this version does not know.
    misunderstood: AtomicBool,
    /// Why it is to end.
    given_up: watch::Sender<Option<String>>,
    _user: User,
}

impl Worker {
    pub(crate) fn new(launched: Launched, user: User) -> Result<Arc<Self>, ChannelError> {
        let Launched {
            record,
            channel,
            process,
        } = launched;
        let (answers, waiting) = mpsc::channel(MAX_ANSWERS);
        let worker = Arc::new(Self {
            record,
            process,
            channel: AsyncChannel::new(Channel::from_fd(channel)?)?,
            containers: Mutex::default(),
            moves: Moves::default(),
            answered: watch::Sender::new(false),
            expected: Mutex::default(),
            asked: Arc::new(Semaphore::new(MAX_ASKED)),
            answers,
            misunderstood: AtomicBool::default(),
            given_up: watch::Sender::new(None),
            _user: user,
        });
        tokio::spawn(pass_on(Arc::downgrade(&worker), waiting));
        Ok(worker)
    }

    pub(crate) fn domain(&self) -> &Domain {
        &self.record.domain
    }

    /// Sends it a message. An error means that it is ending, or was given up for not reading.
    pub(crate) async fn send(&self, message: &ToWorker, fds: &[&OwnedFd]) -> Result<(), Error> {
        if let Some(reason) = self.reason() {
            return Err(self.failed(reason));
        }
        let fds: Vec<_> = fds.iter().map(|fd| fd.as_fd()).collect();
        match tokio::time::timeout(SEND, self.channel.send(message, &fds)).await {
            Ok(sent) => sent.map_err(|error| self.failed(error.to_string())),
            Err(_) => {
                let reason = format!("it has read nothing for {} s", SEND.as_secs());
                self.give_up(reason.clone());
                Err(self.failed(reason))
            }
        }
    }

    /// Queues an answer, without waiting.
    pub(crate) fn answer(&self, message: ToWorker) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.answers.try_send(message) {
            self.give_up(format!("it has not read {MAX_ANSWERS} answers"));
        }
    }

    /// The next message from it.
    pub(crate) async fn recv(&self) -> Result<Option<FromWorker>, ChannelError> {
        loop {
            // It has no descriptors to give; whatever it sends is closed.
            match self.channel.recv::<Message<FromWorker>>().await? {
                None => return Ok(None),
                Some((Message::Known(message), _)) => return Ok(Some(message)),
                Some((Message::Unreadable { error, .. }, _)) => return Err(ChannelError::Decode(error)),
                Some((Message::Unknown { kind }, _)) => {
                    // Once: whoever has taken it over would fill the log.
                    if !self.misunderstood.swap(true, Ordering::Relaxed) {
                        let worker = self.record.name();
                        tracing::warn!(
                            worker,
                            "it says what this version does not know: {}",
                            kind.escape_debug()
                        );
                    }
                }
            }
        }
    }

    /// How this daemon greets it.
    pub(crate) fn hello(&self) -> ToWorker {
        ToWorker::Hello(Version::ours().filter(|_| self.record.protocol > 1))
    }

    /// Has it killed. What was in it has ended soon after, whether the process can be ended or not; new containers of its domain get
    /// another worker.
    pub(crate) fn give_up(&self, reason: String) {
        self.given_up.send_if_modified(|given_up| {
            let first = given_up.is_none();
            given_up.get_or_insert(reason);
            first
        });
    }

    /// Waits until it is given up; the reason.
    pub(crate) async fn is_to_end(&self) -> String {
        let mut given_up = self.given_up.subscribe();
        // The sender lives as long as this worker.
        let reason = given_up.wait_for(Option::is_some).await;
        reason.ok().and_then(|reason| reason.clone()).unwrap_or_default()
    }

    pub(crate) fn is_given_up(&self) -> bool {
        self.given_up.borrow().is_some()
    }

    fn reason(&self) -> Option<String> {
        self.given_up.borrow().clone()
    }

    pub(crate) fn failed(&self, reason: String) -> Error {
        Error::Worker {
            domain: self.domain().name.clone(),
            reason,
        }
    }

    /// Puts a container into it.
    pub(crate) fn add(self: &Arc<Self>, entry: &Arc<Entry>) {
        lock(&self.containers).insert(entry.id.clone(), Arc::clone(entry));
        entry.join(self);
    }

    /// Takes a container out of it; and its compiled file, where no other has the same.
    pub(crate) fn take_out(&self, entry: &Entry) {
        let mut containers = lock(&self.containers);
        if containers.remove(&entry.id).is_none() {
            return;
        }
        entry.leave(self);
        let code = |entry: &Entry| Some(entry.program.as_ref()?.task.code.clone());
        // Whoever comes later with the same file links it after this.
        if let Some(gone) = code(entry).filter(|gone| !gone.is_empty())
            && !containers.values().any(|it| code(it).as_ref() == Some(&gone))
        {
            self.process.unlink(&gone);
        }
    }

    /// It has answered the greeting.
    pub(crate) fn answered(&self) {
        self.answered.send_replace(true);
    }

    /// Waits until it has answered the greeting.
    pub(crate) async fn has_answered(&self) {
        let mut answered = self.answered.subscribe();
        // The sender lives as long as this worker.
        let _ = answered.wait_for(|answered| *answered).await;
    }

    /// Takes out a container that another worker has, and that finishes here what is in flight.
    pub(crate) fn lend(&self, entry: &Entry) {
        lock(&self.containers).remove(&entry.id);
    }

    /// All of its containers.
    pub(crate) fn containers(&self) -> Vec<Arc<Entry>> {
        lock(&self.containers).values().cloned().collect()
    }

    /// One of its containers.
    pub(crate) fn container(&self, id: &str) -> Option<Arc<Entry>> {
        lock(&self.containers).get(id).cloned()
    }

    /// All of its containers, which it has no more.
    pub(crate) fn empty(&self) -> Vec<Arc<Entry>> {
        let containers = std::mem::take(&mut *lock(&self.containers));
        containers.into_values().collect()
    }

    pub(crate) fn is_idle(&self) -> bool {
        lock(&self.containers).is_empty() && self.moves.is_empty()
    }
}

/// Sends queued answers for as long as the worker is there.
async fn pass_on(worker: std::sync::Weak<Worker>, mut answers: mpsc::Receiver<ToWorker>) {
    while let Some(answer) = answers.recv().await {
        let Some(worker) = worker.upgrade() else { return };
        // An error says that it is ending.
        let _ = worker.send(&answer, &[]).await;
    }
}
