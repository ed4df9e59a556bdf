//! Live upgrade: what runs in workers of another build moves to workers of this one, while it runs. How a worker starts and ends is
//! `workers`', what is said meanwhile `messages`' and `moves`'.
//!
//! One trust domain after the other, the one with the fewest containers first. Its new worker has to answer a greeting, then takes pod after
//! pod: it starts the pod's components beside the old ones, on the same listening sockets; then the old ones accept no more, finish what is
//! in flight, and end. Nobody else is told: the containers run all the time. A worker that does not start, or that cannot start the
//! first pod, ends the whole upgrade, and everything stays where it is until the next daemon.

use crate::entry::Entry;
use crate::error::Error;
use crate::node::{Node, lock};
use crate::record::Program;
use crate::worker::Worker;
use crate::{directories, stdio};
use shoal_protocol::{Role, ToWorker};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long a new worker may take to answer, and to start a component.
const START: Duration = Duration::from_secs(30);

/// What became of the containers of a domain.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// How many moved.
    pub(crate) moved: usize,
    /// Those that stay in the old worker until they end, by their ids.
    pub(crate) stay: BTreeMap<String, Stays>,
}

/// Why a container stays where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stays {
    /// It is run once, and ends by itself.
    RunsOnce,
    /// A store in memory is gone with its process.
    MemoryStore,
    /// A file has one writer.
    PersistentStore,
    /// The components of its pod answer together, by path.
    Together,
    /// It could not be moved.
    Failed(String),
}

impl fmt::Display for Stays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RunsOnce => f.write_str("it runs once"),
            Self::MemoryStore => f.write_str("it has a store in memory"),
            Self::PersistentStore => f.write_str("it has a persistent store, whose file has one writer"),
            Self::Together => f.write_str("the components of its pod answer together, by path"),
            Self::Failed(reason) => f.write_str(reason),
        }
    }
}

impl Node {
    /// Moves what runs in workers of other builds to workers of this one, as far as it can move.
    pub(crate) async fn upgrade(self: &Arc<Self>) {
        let build = match self.launcher.build().await {
            Ok(build) => build,
            Err(error) => return tracing::error!("no worker is upgraded: {error}"),
        };
        let mut workers = self.slots.current();
        workers.retain(|worker| worker.record.program != build && !worker.is_given_up());
        // The canary is the one with the fewest.
        workers.sort_by_key(|worker| worker.containers().len());
        for worker in workers {
            let domain = &worker.domain().name;
            match self.upgrade_worker(&worker).await {
                Ok(Outcome { moved, stay }) => {
                    tracing::info!(domain, moved, stay = stay.len(), "a worker was upgraded");
                    for (id, reason) in stay {
                        tracing::warn!(
                            domain,
                            id,
                            "a container stays in its old worker until it ends: {reason}"
                        );
                    }
                }
                // Its last pod has gone, and with it the network that a new worker would start in.
                Err(error) if worker.containers().is_empty() => {
                    tracing::info!(domain, "a worker in which nothing runs is not upgraded: {error}");
                }
                Err(error) => {
                    tracing::error!(
                        domain,
                        "workers are not upgraded, and all stay as they are: {error}"
                    );
                    return;
                }
            }
        }
    }

    /// Moves what runs in `old` to a new worker of its domain. An error says that everything stayed where it was.
    pub(crate) async fn upgrade_worker(self: &Arc<Self>, old: &Arc<Worker>) -> Result<Outcome, Error> {
        // Ahead: compiling takes longer than all the rest, and may fail.
        let mut codes = BTreeMap::new();
        for entry in old.containers() {
            if let Some(program) = &entry.program {
                codes.insert(entry.id.clone(), self.images.code(program).await);
            }
        }
        let new = self.next_generation(old).await?;
        let slot = self.slots.slot(&old.domain().name);
        let (mut outcome, mut seen) = (Outcome::default(), BTreeSet::new());
        let mut installed = false;
        while let Some(pod) = next_pod(old, &mut seen) {
            let moving = Moving {
                old,
                new: &new,
                codes: &codes,
            };
            match self.move_pod(&moving, &pod).await {
                Ok(moved) => outcome.moved += moved,
                Err(Stays::Failed(reason)) if outcome.moved == 0 => {
                    new.give_up(reason.clone());
                    return Err(old.failed(format!("the first pod can't be moved: {reason}")));
                }
                Err(stays) => outcome
                    .stay
                    .extend(pod.iter().map(|entry| (entry.id.clone(), stays.clone()))),
            }
            if outcome.moved > 0 && !installed {
                installed = slot.succeed(old, &new);
            }
        }
        if !installed {
            slot.succeed(old, &new);
        }
        self.retire_later(&new);
        self.retire_later(old);
        Ok(outcome)
    }

    /// A worker of the domain of `old`, which has answered and takes no containers yet.
    async fn next_generation(self: &Arc<Self>, old: &Arc<Worker>) -> Result<Arc<Worker>, Error> {
        let slot = self.slots.slot(&old.domain().name);
        let _starting = slot.starting.lock().await;
        let new = self.start_worker(old.domain()).await?;
        self.watch_new(&new)?;
        // An error says that it ends.
        let _ = new.send(&new.hello(), &[]).await;
        let reason = tokio::select! {
            () = new.has_answered() => return Ok(new),
            reason = new.is_to_end() => reason,
            () = tokio::time::sleep(START) => format!("it has not answered within {} s", START.as_secs()),
        };
        new.give_up(reason.clone());
        Err(new.failed(reason))
    }

    /// Moves the containers of a pod; how many there were.
    async fn move_pod(self: &Arc<Self>, moving: &Moving<'_>, pod: &[Arc<Entry>]) -> Result<usize, Stays> {
        // Whatever kubelet asks of them waits, but for their end.
        let mut turns = Vec::new();
        for entry in pod {
            turns.push(entry.turn.lock().await);
        }
        let running: Vec<_> = pod
            .iter()
            .filter(|it| it.runs() && it.is_in(moving.old))
            .collect();
        if let Some(stays) = running.iter().find_map(|entry| stays(entry.program.as_deref()?)) {
            return Err(stays);
        }
        for (begun, entry) in running.iter().enumerate() {
            if let Err(reason) = moving.begin(entry).await {
                for entry in running.iter().take(begun + 1) {
                    moving.give_back(entry).await;
                }
                return Err(Stays::Failed(reason));
            }
        }
        for entry in &running {
            if entry.runs() {
                self.hand_over(moving, entry).await;
            } else {
                // It has ended meanwhile.
                moving.give_back(entry).await;
            }
        }
        Ok(running.len())
    }

    /// From here on a container is the new worker's. The old one finishes what is in flight.
    async fn hand_over(self: &Arc<Self>, moving: &Moving<'_>, entry: &Arc<Entry>) {
        let Moving { old, new, .. } = moving;
        old.moves.leaves(entry);
        new.add(entry);
        new.moves.forget(&entry.id);
        old.lend(entry);
        if let Err(error) = self.note_worker(entry) {
            tracing::error!(id = entry.id, "{error}");
        }
        let stop = || ToWorker::Stop { id: entry.id.clone() };
        // An error says that it ends, and with it what was in flight.
        let _ = old.send(&stop(), &[]).await;
        // Kubelet may have asked the old one, a moment ago.
        if entry.stopping.load(Ordering::SeqCst) {
            let _ = new.send(&stop(), &[]).await;
        }
    }
}

/// A move of pods from one worker to another.
struct Moving<'a> {
    old: &'a Arc<Worker>,
    new: &'a Arc<Worker>,
    /// The compiled files for the new worker's engine, by the container's id.
    codes: &'a BTreeMap<String, Result<Option<PathBuf>, Error>>,
}

impl Moving<'_> {
    /// Starts a container in the new worker too.
    async fn begin(&self, entry: &Arc<Entry>) -> Result<(), String> {
        let program = entry.program.as_ref().ok_or("it runs nothing")?;
        let code = match self.codes.get(&entry.id) {
            Some(code) => code.as_ref().map_err(ToString::to_string)?,
            None => &program.compiled,
        };
        if let Some(code) = code {
            let linked = self.new.process.link(code, &program.task.code);
            linked.map_err(|error| error.to_string())?;
        }
        let fds = self.descriptors(entry, program).await?;
        let answer = self.new.moves.comes(entry);
        let start = ToWorker::Start {
            task: Box::new(program.task.clone()),
        };
        let sent = self.new.send(&start, &fds.iter().collect::<Vec<_>>()).await;
        sent.map_err(|error| error.to_string())?;
        tokio::select! {
            answer = answer => answer.unwrap_or_else(|_| Err("the new worker has ended".to_owned())),
            reason = self.new.is_to_end() => Err(reason),
            () = tokio::time::sleep(START) => Err(format!("it has not started within {} s", START.as_secs())),
        }
    }

    /// What comes with its start: its log's pipes once more, the old worker's own socket, and its directories for the new one's user.
    async fn descriptors(&self, entry: &Arc<Entry>, program: &Arc<Program>) -> Result<Vec<OwnedFd>, String> {
        let container = entry.get();
        let open = |path: &str| stdio::open(path).map_err(|error| error.to_string());
        let mut fds = vec![open(&container.stdout)?, open(&container.stderr)?];
        if program.task.role == Role::Serve {
            let (old, program) = (Arc::clone(self.old), Arc::clone(program));
            let looking = tokio::task::spawn_blocking(move || {
                old.process.listener(program.netns.as_deref(), program.port)
            });
            let found = looking.await.map_err(|error| error.to_string())?;
            let found = found.map_err(|error| format!("its listening socket can't be taken: {error}"))?;
            fds.push(found.ok_or("the old worker does not listen for it")?);
        }
        if program.task.directories().next().is_some() {
            let (program, uid) = (Arc::clone(program), self.new.record.uid);
            let opened = entry
                .pod
                .on_volumes(move || directories::open(&program, uid))
                .await;
            fds.extend(opened.map_err(|error| error.to_string())?);
        }
        Ok(fds)
    }

    /// The new worker does not get it.
    async fn give_back(&self, entry: &Arc<Entry>) {
        self.new.moves.forget(&entry.id);
        let id = entry.id.clone();
        // An error says that it ends.
        let _ = self.new.send(&ToWorker::Kill { id: id.clone() }, &[]).await;
        let _ = self.new.send(&ToWorker::Forget { id }, &[]).await;
    }
}

/// The containers of the next pod in `old`, those first that others are linked to.
fn next_pod(old: &Worker, seen: &mut BTreeSet<String>) -> Option<Vec<Arc<Entry>>> {
    let containers = old.containers();
    let sandbox = |entry: &Arc<Entry>| entry.program.as_ref().map(|it| it.sandbox.clone());
    let next = containers
        .iter()
        .filter_map(sandbox)
        .find(|it| !seen.contains(it))?;
    let mut pod: Vec<_> = containers
        .into_iter()
        .filter(|entry| sandbox(entry).as_ref() == Some(&next))
        .collect();
    pod.sort_by_key(|entry| {
        let part = entry
            .program
            .as_ref()
            .is_some_and(|it| it.task.role == Role::Part);
        (!part, entry.id.clone())
    });
    seen.insert(next);
    Some(pod)
}

/// Why a pod can't move which runs this; none where it can.
pub(crate) fn stays(program: &Program) -> Option<Stays> {
    let task = &program.task;
    if task.role.ends() {
        return Some(Stays::RunsOnce);
    }
    let stores = || {
        task.stores
            .iter()
            .chain(task.parts.iter().flat_map(|it| &it.stores))
    };
    if stores().any(|it| it.persistent.is_some()) {
        return Some(Stays::PersistentStore);
    }
    if stores().any(|it| it.redis.is_none()) {
        return Some(Stays::MemoryStore);
    }
    let others = |routes: &Vec<(String, String)>| routes.iter().any(|(_, name)| *name != task.component.name);
    // A request that one of them has accepted may be another's, which may be in the other worker.
    task.front.as_ref().is_some_and(others).then_some(Stays::Together)
}

impl Entry {
    fn is_in(&self, worker: &Arc<Worker>) -> bool {
        self.worker().is_some_and(|it| Arc::ptr_eq(&it, worker))
    }
}

impl Node {
    /// Writes down which worker a container is in.
    fn note_worker(&self, entry: &Entry) -> Result<(), Error> {
        let worker = entry.worker().map(|worker| worker.record.name());
        let mut record = lock(&entry.record);
        record.worker = worker;
        self.container_records.put(&record.id, &record)
    }
}
