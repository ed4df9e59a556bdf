//! The tasks of a trust domain, and what the daemon says about them. What a task does is in `task`.

use crate::broker::{Answer, Broker};
use crate::front::Fronts;
use crate::outbox::Outbox;
use crate::task::{RunningTask, exit};
use anyhow::Context;
use shoal_channel::{AsyncChannel, Channel, ChannelError};
use shoal_protocol::{Ending, Exit, FromWorker, Refused, Task, TaskId, TaskState, ToWorker, Usage};
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
    pods: Pods,
    outbox: Outbox,
    broker: Arc<Broker>,
    fronts: Fronts,
    tasks: BTreeMap<TaskId, Entry>,
    runs: u64,
    endings: UnboundedSender<Ended>,
}

struct Entry {
    /// A task may be forgotten and started again: what ended must be this one.
    run: u64,
    state: State,
}

enum State {
    Runs(Box<RunningTask>),
    Ended(Exit),
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
    let (endings, mut ended) = unbounded_channel();
    let mut domain = Domain {
        pods,
        broker: Broker::new(outbox.clone()),
        outbox,
        fronts: Fronts::default(),
        tasks: BTreeMap::new(),
        runs: 0,
        endings,
    };
    let mut clock = tokio::time::interval(USAGE);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            packet = channel.recv::<ToWorker>() => match packet {
                Ok(Some((message, descriptors))) => domain.told(message, descriptors),
                Ok(None) => return Ok(()),
                Err(error @ (ChannelError::Closed | ChannelError::Io { .. })) => return Err(error).context("the channel to the daemon"),
                Err(error) => tracing::error!(%error, "a packet of the daemon's was left out"),
            },
            Some(ended) = ended.recv() => domain.ended(ended),
            _ = clock.tick() => domain.report(),
        }
    }
}

impl Domain {
    fn told(&mut self, message: ToWorker, descriptors: Vec<OwnedFd>) {
        match message {
            ToWorker::Hello => {
                self.outbox.send(FromWorker::State { tasks: self.state() });
                self.broker.ask_again();
            }
            ToWorker::Start { task } => self.start(&task, descriptors),
            ToWorker::Stop { id } => {
                if let Some(Entry {
                    run,
                    state: State::Runs(task),
                }) = self.tasks.get_mut(&id)
                {
                    task.stop(on_end(&self.endings, id, *run));
                }
            }
            ToWorker::Kill { id } => {
                if let Some(Entry {
                    run,
                    state: State::Runs(_),
                }) = self.tasks.get(&id)
                {
                    let (run, exit) = (*run, exit(Ending::Killed, String::new()));
                    self.ended(Ended { id, run, exit });
                }
            }
            ToWorker::Forget { id } => {
                self.tasks.remove(&id);
            }
            ToWorker::Connected { ticket, error } => {
                let socket = descriptors.into_iter().next().ok_or_else(no_socket);
                let answer = error.map_or_else(|| socket.map(Answer::Socket), Err);
                self.broker.answered(ticket, answer);
            }
            ToWorker::Resolved { ticket, addresses } => {
                self.broker.answered(ticket, addresses.map(Answer::Addresses));
            }
        }
    }

    fn state(&self) -> Vec<TaskState> {
        let state = |(id, entry): (&TaskId, &Entry)| TaskState {
            id: id.clone(),
            exit: match &entry.state {
                State::Runs(_) => None,
                State::Ended(exit) => Some(exit.clone()),
            },
        };
        self.tasks.iter().map(state).collect()
    }

    fn start(&mut self, task: &Task, descriptors: Vec<OwnedFd>) {
        let id = task.id.clone();
        match self.tasks.get(&id).map(|entry| &entry.state) {
            Some(State::Runs(_)) => return self.outbox.send(FromWorker::Started { id }),
            Some(State::Ended(exit)) => {
                let exit = exit.clone();
                return self.outbox.send(FromWorker::Ended { id, exit });
            }
            None => {}
        }
        self.runs += 1;
        let run = self.runs;
        let ended = on_end(&self.endings, id.clone(), run);
        match RunningTask::start(task, descriptors, &self.pods, &self.broker, &self.fronts, ended) {
            Ok(task) => {
                let trying = task.try_start();
                let state = State::Runs(Box::new(task));
                self.tasks.insert(id.clone(), Entry { run, state });
                let (outbox, ended) = (self.outbox.clone(), on_end(&self.endings, id.clone(), run));
                tokio::spawn(async move {
                    let tried = trying.await;
                    // Both: a container that can't start has started, and ended.
                    outbox.send(FromWorker::Started { id });
                    if let Err(exit) = tried {
                        ended(exit);
                    }
                });
            }
            Err(error) => {
                let reason = format!("{error:#}");
                self.outbox.send(FromWorker::Failed { id, reason });
            }
        }
    }

    fn ended(&mut self, Ended { id, run, exit }: Ended) {
        let Some(entry) = self.tasks.get_mut(&id).filter(|entry| entry.run == run) else {
            return;
        };
        let State::Runs(task) = &mut entry.state else {
            return;
        };
        if let Some(usage) = task.usage() {
            let tasks = vec![reported(&id, usage)];
            self.outbox.send(FromWorker::Usage { tasks });
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
                State::Ended(_) => None,
            });
        let tasks: Vec<_> = changed.collect();
        if !tasks.is_empty() {
            self.outbox.send(FromWorker::Usage { tasks });
        }
    }
}

fn on_end(endings: &UnboundedSender<Ended>, id: TaskId, run: u64) -> impl FnOnce(Exit) + Send + 'static {
    let endings = endings.clone();
    move |exit| {
        // Fails when the worker ends.
        let _ = endings.send(Ended { id, run, exit });
    }
}

fn reported(id: &TaskId, usage: shoal_service::Usage) -> Usage {
    Usage {
        id: id.clone(),
        cpu_ns: u64::try_from(usage.cpu.as_nanos()).unwrap_or(u64::MAX),
        memory: usage.memory,
        requests: usage.requests,
    }
}

fn no_socket() -> Refused {
    Refused {
        errno: rustix::io::Errno::BADF.raw_os_error(),
        message: "the daemon's answer came without a socket: `ulimit -n` of the worker may be too low"
            .to_owned(),
    }
}
