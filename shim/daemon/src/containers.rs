//! What containerd asks of a container: create, start, stop, delete. Each can be asked twice, since the keeper repeats what a daemon
//! that died had not answered.

use crate::bundle::{Bundle, Kind};
use crate::entry::Entry;
use crate::error::Error;
use crate::node::{Node, lock};
use crate::record::{Container, Program, Sandbox, State};
use crate::worker::Worker;
use crate::{directories, files, netns, report, stdio, storage};
use shoal_protocol::{Ending, Exit, Role, ToWorker};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};
use tokio::sync::oneshot;

/// How long a worker may take to say that it has started a component: it maps a file and links it.
const START: Duration = Duration::from_secs(30);
/// How long a worker may take to end a container that it is told to kill. It has nothing to wait for, whatever the component does.
const KILL: Duration = Duration::from_secs(10);
/// When it is told once more.
const AGAIN: Duration = Duration::from_secs(1);

impl Node {
    /// Makes a container ready, which comes without a program: its artifact is here, compiled, and allowed to run.
    pub(crate) async fn create(self: &Arc<Self>, mut container: Container) -> Result<Arc<Entry>, Error> {
        if let Ok(entry) = self.container(&container.id) {
            // Asked again, unless the name is another's.
            return if entry.get().bundle == container.bundle {
                Ok(entry)
            } else {
                Err(Error::Exists {
                    kind: "container",
                    id: container.id,
                })
            };
        }
        let folder = PathBuf::from(&container.bundle);
        let read = files::on_the_node(move || Ok(Bundle::read(&folder)));
        let bundle = read
            .await
            .map_err(Error::file("read", Path::new(&container.bundle)))??;
        match bundle.kind() {
            Kind::Sandbox => self.add_sandbox(sandbox_of(&container.id, &bundle))?,
            Kind::Container => container.program = Some(Arc::new(self.program(&container, &bundle).await?)),
        }
        let id = container.id.clone();
        let added = self.add(container);
        if added.is_err() && self.container(&id).is_err() {
            self.images.release(&id);
        }
        let entry = added?;
        report::created(self, &entry.get());
        Ok(entry)
    }

    /// Starts a container, and returns when it accepts requests.
    pub(crate) async fn start(self: &Arc<Self>, id: &str) -> Result<(), Error> {
        let entry = self.container(id)?;
        let _turn = entry.turn.lock().await;
        let container = entry.get();
        match container.state {
            State::Created => {}
            State::Running => return Ok(()),
            State::Stopped { .. } => {
                return Err(Error::State {
                    id: id.to_owned(),
                    state: container.state.name(),
                    wanted: "started",
                });
            }
        }
        if let Some(program) = &container.program {
            self.run(&entry, &container, program).await?;
        }
        // It may have ended by now.
        if matches!(entry.get().state, State::Created) {
            self.set_state(&entry, State::Running)?;
        }
        report::started(self, &container);
        Ok(())
    }

    async fn run(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
        container: &Container,
        program: &Arc<Program>,
    ) -> Result<(), Error> {
        let mut fds = vec![stdio::open(&container.stdout)?, stdio::open(&container.stderr)?];
        if program.task.role == Role::Serve {
            let port = program.port;
            let shared = program.task.front.is_some();
            let listener = netns::listen(program.netns.as_deref(), port, shared)
                .await
                .map_err(|source| Error::Listen { port, source })?;
            fds.push(listener);
        }
        if program.task.files().next().is_some() {
            let program = Arc::clone(program);
            let opening = move || storage::open(&program.task, &program.volumes);
            fds.extend(entry.pod.on_volumes(opening).await?);
        }
        let worker = self.place(entry, &program.domain).await?;
        if program.task.directories().next().is_some() {
            let (program, uid) = (Arc::clone(program), worker.record.uid);
            let opening = move || directories::open(&program, uid);
            fds.extend(entry.pod.on_volumes(opening).await?);
        }
        if let Some(compiled) = &program.compiled {
            worker.process.link(compiled, &program.task.code)?;
        }
        let (sender, receiver) = oneshot::channel();
        *lock(&entry.starting) = Some(sender);
        // Written down first: it may serve, and end, before the answer is here.
        self.set_state(entry, State::Running)?;
        let start = ToWorker::Start {
            task: Box::new(program.task.clone()),
        };
        let sent = worker.send(&start, &fds.iter().collect::<Vec<_>>()).await;
        drop(fds);
        let answer = match sent {
            Ok(()) => tokio::time::timeout(START, receiver).await,
            Err(error) => Ok(Ok(Err(error.to_string()))),
        };
        let refusal = match answer {
            Ok(Ok(Ok(()))) => return Ok(()),
            Ok(Ok(Err(reason))) => Error::DidNotStart { reason },
            Ok(Err(_)) | Err(_) => {
                self.end_in(&worker, entry).await;
                Error::Worker {
                    domain: program.domain.name.clone(),
                    reason: format!("it did not start the container within {} s", START.as_secs()),
                }
            }
        };
        if entry.runs() {
            self.set_state(entry, State::Created)?;
        }
        Err(refusal)
    }

    /// Has `worker` end a container, and waits until it has. A worker that doesn't is given up.
    async fn end_in(self: &Arc<Self>, worker: &Arc<Worker>, entry: &Arc<Entry>) {
        let id = entry.id.clone();
        let ended = async {
            loop {
                // An error says that the worker ends, and all that is in it. It may be in another one by now.
                let worker = entry.worker().unwrap_or_else(|| Arc::clone(worker));
                let _ = worker.send(&ToWorker::Kill { id: id.clone() }, &[]).await;
                // Again after a while: the first one may have come before the start that it was to end.
                if tokio::time::timeout(AGAIN, entry.wait()).await.is_ok() {
                    return;
                }
            }
        };
        if tokio::time::timeout(KILL, ended).await.is_err() {
            worker.give_up(format!(
                "it did not end the container {id} within {} s",
                KILL.as_secs()
            ));
            self.ended(entry, State::killed());
        }
    }

    /// Passes on a signal: SIGKILL ends at once, any other asks to end.
    pub(crate) async fn kill(self: &Arc<Self>, id: &str, signal: u32) -> Result<(), Error> {
        let entry = self.container(id)?;
        let container = entry.get();
        if container.program.is_none() {
            // The pause container has nothing to finish.
            self.ended(&entry, State::killed());
            self.stop_sandbox(id)?;
            return Ok(());
        }
        match container.state {
            State::Stopped { .. } => return Ok(()),
            State::Created => {
                self.ended(&entry, State::killed());
                return Ok(());
            }
            State::Running => {}
        }
        // Before its worker is looked up: whoever moves it looks here once it has another one.
        entry.stopping.store(true, Ordering::SeqCst);
        let Some(worker) = entry.worker() else {
            self.ended(
                &entry,
                Exit {
                    ending: Ending::WorkerDied,
                    message: "its worker is gone".to_owned(),
                },
            );
            return Ok(());
        };
        if signal == rustix::process::Signal::KILL.as_raw().unsigned_abs() {
            self.end_in(&worker, &entry).await;
        } else {
            let id = entry.id.clone();
            // An error says that the worker ends, and all that is in it.
            let _ = worker.send(&ToWorker::Stop { id }, &[]).await;
        }
        Ok(())
    }

    /// Forgets a container that has ended, or never ran.
    pub(crate) async fn delete(self: &Arc<Self>, id: &str) -> Result<(Exit, SystemTime), Error> {
        let entry = self.container(id)?;
        let _turn = entry.turn.lock().await;
        let container = entry.get();
        let (exit, at) = match container.state {
            State::Running => {
                return Err(Error::State {
                    id: id.to_owned(),
                    state: container.state.name(),
                    wanted: "deleted",
                });
            }
            State::Created => (State::killed(), SystemTime::now()),
            // Once everybody was told: containerd wants to hear of the end first.
            State::Stopped { .. } => entry.wait().await,
        };
        self.remove(id);
        match &container.program {
            Some(_) => self.release(&entry).await,
            None => self.remove_sandbox(id),
        }
        report::deleted(self, &container, &exit, at);
        Ok((exit, at))
    }

    /// Ends and forgets a container, or a pod with all that is in it, whatever the state: containerd has given it up.
    pub(crate) async fn discard(self: &Arc<Self>, id: &str) {
        let mut entries = self.of_pod(id);
        entries.extend(self.container(id));
        for entry in entries {
            self.ended(&entry, State::killed());
            self.remove(&entry.id);
            self.release(&entry).await;
        }
        self.remove_sandbox(id);
    }

    /// Takes a container out of its worker, which ends some time after its last one.
    async fn release(self: &Arc<Self>, entry: &Arc<Entry>) {
        let Some(worker) = entry.worker() else { return };
        let id = entry.id.clone();
        // An error says that the worker ends, and all that is in it.
        let _ = worker.send(&ToWorker::Kill { id: id.clone() }, &[]).await;
        let _ = worker.send(&ToWorker::Forget { id }, &[]).await;
        worker.take_out(entry);
        self.retire_later(&worker);
    }
}

fn sandbox_of(id: &str, bundle: &Bundle) -> Sandbox {
    Sandbox {
        id: id.to_owned(),
        namespace: bundle.namespace().to_owned(),
        name: bundle.pod_name().unwrap_or(id).to_owned(),
        netns: bundle.netns(),
        annotations: bundle.annotations().clone(),
        resolv: String::new(),
        created: SystemTime::now(),
        stopped: None,
    }
}
