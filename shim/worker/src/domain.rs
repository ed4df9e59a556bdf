//! The tasks of a trust domain, and what the daemon says about them. What a task does is in `task`.

use crate::broker::{Answer, Broker};
use crate::front::Fronts;
use crate::openings::Openings;
use crate::outbox::Outbox;
use crate::task::{NotReady, ReadyTask, RunningTask, Shared, Used, exit};
use anyhow::Context;
use serde_json::Value;
use shoal_channel::{AsyncChannel, Channel, ChannelError, Message};
use shoal_protocol::{Ending, Exit, FromWorker, Refused, Task, TaskId, TaskState, ToWorker, Usage, Version};
use shoal_service::Pods;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::MissedTickBehavior;

/// How often the daemon is told what tasks use.
const USAGE: Duration = Duration::from_secs(1);

struct Domain {
    shared: Shared,
    outbox: Outbox,
    fronts: Fronts,
    tasks: BTreeMap<TaskId, Entry>,
    runs: u64,
    begun: UnboundedSender<Begun>,
    endings: UnboundedSender<Ended>,
}

struct Entry {
    /// A task may be forgotten and started again: what ended must be this one.
    run: u64,
    state: State,
}

enum State {
    /// It is being made ready.
    Begins,
    Runs(Box<RunningTask>),
    Ended(Exit),
}

/// A task that is ready, or can't be.
struct Begun {
    id: TaskId,
    run: u64,
    ready: Result<ReadyTask, NotReady>,
}

/// A task that ended by itself.
struct Ended {
    id: TaskId,
    run: u64,
    exit: Exit,
}

/// Does what the daemon says, until the channel is closed: by whoever keeps it open between two daemons.
pub(crate) async fn run(channel: Channel, pods: Pods) -> anyhow::Result<()> {
    let channel = Arc::new(AsyncChannel::new(channel).context("watch the channel")?);
    let (outbox, queue) = Outbox::new();
    tokio::spawn(queue.drain(Arc::clone(&channel)));
    let (begun, mut ready) = unbounded_channel();
    let (endings, mut ended) = unbounded_channel();
    let mut domain = Domain {
        shared: Shared {
            pods: Arc::new(pods),
            broker: Broker::new(outbox.clone()),
            outputs: Arc::default(),
            openings: Openings::default(),
        },
        outbox,
        fronts: Fronts::default(),
        tasks: BTreeMap::new(),
        runs: 0,
        begun,
        endings,
    };
    let mut clock = tokio::time::interval(USAGE);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            packet = channel.recv::<Message<ToWorker>>() => match packet {
                Ok(Some((message, descriptors))) => domain.received(message, descriptors),
                Ok(None) => return Ok(()),
                Err(error @ (ChannelError::Closed | ChannelError::Io { .. })) => return Err(error).context("the channel to the daemon"),
                Err(error) => tracing::error!(%error, "a packet of the daemon's was left out"),
            },
            Some(begun) = ready.recv() => domain.begin(begun),
            Some(ended) = ended.recv() => domain.ended(ended),
            _ = clock.tick() => domain.report(),
        }
    }
}

impl Domain {
    fn received(&mut self, message: Message<ToWorker>, descriptors: Vec<OwnedFd>) {
        match message {
            Message::Known(message) => self.told(message, descriptors),
            Message::Unknown { kind } => {
                tracing::warn!(kind, "shoald says what this version does not know: skipped");
            }
            Message::Unreadable { kind, content, error } => {
                tracing::error!(kind, %error, "shoald says what this version can't read");
                if let Some(id) = task_of(&content) {
                    let reason = format!(
                        "this pod needs a newer shoal-worker than the one that runs ({}): {error}",
                        env!("CARGO_PKG_VERSION")
                    );
                    self.outbox.send(FromWorker::Failed { id, reason });
                }
            }
        }
    }

    fn told(&mut self, message: ToWorker, descriptors: Vec<OwnedFd>) {
        match message {
            ToWorker::Hello(_) => {
                self.outbox.send(FromWorker::State {
                    version: Version::ours(),
                    tasks: self.state(),
                });
                self.shared.broker.ask_again();
            }
            ToWorker::Start { task } => self.start(task, descriptors),
            ToWorker::Stop { id } => match self.tasks.get_mut(&id) {
                Some(Entry {
                    run,
                    state: State::Runs(task),
                }) => task.stop(on_end(&self.endings, id, *run)),
                // Nothing is in flight.
                _ => self.end(id, Ending::Completed(0)),
            },
            ToWorker::Kill { id } => self.end(id, Ending::Killed),
            ToWorker::Forget { id } => {
                self.tasks.remove(&id);
            }
            ToWorker::Connected { ticket, error } => {
                let socket = descriptors.into_iter().next().ok_or_else(no_socket);
                let answer = error.map_or_else(|| socket.map(Answer::Socket), Err);
                self.shared.broker.answered(ticket, answer);
            }
            ToWorker::Resolved { ticket, addresses } => {
                self.shared
                    .broker
                    .answered(ticket, addresses.map(Answer::Addresses));
            }
        }
    }

    fn state(&self) -> Vec<TaskState> {
        let state = |(id, entry): (&TaskId, &Entry)| TaskState {
            id: id.clone(),
            exit: match &entry.state {
                State::Begins | State::Runs(_) => None,
                State::Ended(exit) => Some(exit.clone()),
            },
        };
        self.tasks.iter().map(state).collect()
    }

    fn start(&mut self, task: Box<Task>, descriptors: Vec<OwnedFd>) {
        let id = task.id.clone();
        match self.tasks.get(&id).map(|entry| &entry.state) {
            // Answered once it is ready.
            Some(State::Begins) => return,
            Some(State::Runs(_)) => return self.outbox.send(FromWorker::Started { id }),
            Some(State::Ended(exit)) => {
                let exit = exit.clone();
                return self.outbox.send(FromWorker::Ended { id, exit });
            }
            None => {}
        }
        self.runs += 1;
        let run = self.runs;
        let state = State::Begins;
        self.tasks.insert(id.clone(), Entry { run, state });
        let shared = self.shared.clone();
        let begun = self.begun.clone();
        // Beside: a store that was not closed takes its time to open, and others must not wait for it.
        tokio::spawn(async move {
            let ready = ReadyTask::make(task, descriptors, shared).await;
            // Fails when the worker ends.
            let _ = begun.send(Begun { id, run, ready });
        });
    }

    fn begin(&mut self, Begun { id, run, ready }: Begun) {
        // It may have been killed meanwhile.
        let begins = |entry: &&mut Entry| entry.run == run && matches!(entry.state, State::Begins);
        let Some(entry) = self.tasks.get_mut(&id).filter(begins) else {
            return;
        };
        let ended = on_end(&self.endings, id.clone(), run);
        let begun = ready.and_then(|ready| ready.begin(&self.fronts, ended).map_err(NotReady::Refused));
        match begun {
            Ok(task) => {
                entry.state = State::Runs(Box::new(task));
                self.outbox.send(FromWorker::Started { id });
            }
            // Both: a container that can't start has started, and ended.
            Err(NotReady::Ended(exit)) => {
                self.outbox.send(FromWorker::Started { id: id.clone() });
                self.ended(Ended { id, run, exit });
            }
            Err(NotReady::Refused(error)) => {
                self.tasks.remove(&id);
                let reason = format!("{error:#}");
                self.outbox.send(FromWorker::Failed { id, reason });
            }
        }
    }

    /// Ends a task that has not ended.
    fn end(&mut self, id: TaskId, ending: Ending) {
        if let Some(Entry { run, .. }) = self.tasks.get(&id) {
            let (run, exit) = (*run, exit(ending, String::new()));
            self.ended(Ended { id, run, exit });
        }
    }

    fn ended(&mut self, Ended { id, run, exit }: Ended) {
        let Some(entry) = self.tasks.get_mut(&id).filter(|entry| entry.run == run) else {
            return;
        };
        match &mut entry.state {
            State::Ended(_) => return,
            State::Begins => {}
            State::Runs(task) => {
                if let Some(usage) = task.usage() {
                    let tasks = vec![reported(&id, usage)];
                    self.outbox.send(FromWorker::Usage { tasks });
                }
            }
        }
        entry.state = State::Ended(exit.clone());
        self.outbox.send(FromWorker::Ended { id, exit });
    }

    fn report(&mut self) {
        if !self.outbox.is_empty() {
            return;
        }
        let changed = self
            .tasks
            .iter_mut()
            .filter_map(|(id, entry)| match &mut entry.state {
                State::Runs(task) => task.usage().map(|usage| reported(id, usage)),
                State::Begins | State::Ended(_) => None,
            });
        let tasks: Vec<_> = changed.collect();
        if !tasks.is_empty() {
            self.outbox.send(FromWorker::Usage { tasks });
        }
    }
}

/// The id in a `start` that can't be read as a whole: whoever waits for its answer should have one.
fn task_of(message: &Value) -> Option<TaskId> {
    let id = message.pointer("/start/task/id")?;
    id.as_str().map(ToOwned::to_owned)
}

fn on_end(endings: &UnboundedSender<Ended>, id: TaskId, run: u64) -> impl FnOnce(Exit) + Send + 'static {
    let endings = endings.clone();
    move |exit| {
        // Fails when the worker ends.
        let _ = endings.send(Ended { id, run, exit });
    }
}

fn reported(id: &TaskId, Used { usage, log_dropped }: Used) -> Usage {
    Usage {
        id: id.clone(),
        cpu_ns: u64::try_from(usage.cpu.as_nanos()).unwrap_or(u64::MAX),
        memory: usage.memory,
        requests: usage.requests,
        log_dropped,
    }
}

fn no_socket() -> Refused {
    Refused {
        errno: rustix::io::Errno::BADF.raw_os_error(),
        message: "the daemon's answer came without a socket: `ulimit -n` of the worker may be too low"
            .to_owned(),
    }
}
