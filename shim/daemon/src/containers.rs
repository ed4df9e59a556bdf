//! What containerd asks of a container: create, start, stop, delete. Each can be asked twice, since the keeper repeats what a daemon
//! that died had not answered.

use crate::bundle::{Bundle, Kind};
use crate::error::Error;
use crate::node::{Entry, Node, lock};
use crate::record::{Container, Program, Sandbox, State};
use crate::{directories, netns, report, stdio, storage};
use shoal_protocol::{Ending, Exit, Role, ToWorker};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::oneshot;

/// How long a worker may take to say that it has started a component: it maps a file and links it.
const START: Duration = Duration::from_secs(30);

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
        let bundle = Bundle::read(Path::new(&container.bundle))?;
        match bundle.kind() {
            Kind::Sandbox => self.add_sandbox(sandbox_of(&container.id, &bundle))?,
            Kind::Container => container.program = Some(self.program(&container, &bundle).await?),
        }
        let entry = self.add(container)?;
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
        program: &Program,
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
        fds.extend(storage::open(&program.task, &program.volumes)?);
        let worker = self.worker(&program.domain).await?;
        fds.extend(directories::open(program, worker.record.uid)?);
        // So that it is not retired between here and the start.
        let turn = worker.turn.lock().await;
        if let Some(compiled) = &program.compiled {
            worker.link(compiled, &program.task.code)?;
        }
        let (sender, receiver) = oneshot::channel();
        *lock(&entry.starting) = Some(sender);
        // Written down first: it may serve, and end, before the answer is here.
        self.set_state(entry, State::Running)?;
        let start = ToWorker::Start {
            task: Box::new(program.task.clone()),
        };
        let sent = worker.send(&start, &fds.iter().collect::<Vec<_>>()).await;
        drop(turn);
        let answer = match sent {
            Ok(()) => tokio::time::timeout(START, receiver).await,
            Err(error) => Ok(Ok(Err(error.to_string()))),
        };
        let refusal = match answer {
            Ok(Ok(Ok(()))) => return Ok(()),
            Ok(Ok(Err(reason))) => Error::Refused(reason),
            Ok(Err(_)) | Err(_) => {
                let _ = worker
                    .send(
                        &ToWorker::Kill {
                            id: container.id.clone(),
                        },
                        &[],
                    )
                    .await;
                Error::Worker {
                    domain: program.domain.name.clone(),
                    reason: format!("it did not start the container within {} s", START.as_secs()),
                }
            }
        };
        if matches!(entry.get().state, State::Running) {
            self.set_state(entry, State::Created)?;
        }
        Err(refusal)
    }

    /// Passes on a signal: SIGKILL ends at once, any other asks to end.
    pub(crate) async fn kill(self: &Arc<Self>, id: &str, signal: u32) -> Result<(), Error> {
        let entry = self.container(id)?;
        let container = entry.get();
        let Some(program) = &container.program else {
            // The pause container has nothing to finish.
            self.ended(&entry, State::killed());
            self.stop_sandbox(id)?;
            return Ok(());
        };
        match container.state {
            State::Stopped { .. } => return Ok(()),
            State::Created => {
                self.ended(&entry, State::killed());
                return Ok(());
            }
            State::Running => {}
        }
        let worker = self.workers.lock().await.get(&program.domain.name).cloned();
        let id = container.id.clone();
        let message = if signal == rustix::process::Signal::KILL.as_raw().unsigned_abs() {
            ToWorker::Kill { id }
        } else {
            ToWorker::Stop { id }
        };
        match worker {
            Some(worker) => worker.send(&message, &[]).await,
            None => {
                self.ended(
                    &entry,
                    Exit {
                        ending: Ending::WorkerDied,
                        message: "its worker is gone".to_owned(),
                    },
                );
                Ok(())
            }
        }
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
            State::Stopped { ref exit, at } => (exit.clone(), at),
        };
        self.remove(id);
        match &container.program {
            Some(program) => self.release(&container, program).await,
            None => self.remove_sandbox(id),
        }
        report::deleted(self, &container, &exit, at);
        Ok((exit, at))
    }

    /// Ends and forgets a container, or a pod with all that is in it, whatever the state: containerd has given it up.
    pub(crate) async fn discard(self: &Arc<Self>, id: &str) {
        let belongs = |container: &Container| {
            let pod = container.program.as_ref().map(|program| program.sandbox.as_str());
            container.id == id || pod == Some(id)
        };
        for entry in self.entries() {
            let container = entry.get();
            if belongs(&container) {
                self.ended(&entry, State::killed());
                self.remove(&container.id);
                if let Some(program) = &container.program {
                    self.release(&container, program).await;
                }
            }
        }
        self.remove_sandbox(id);
    }

    /// Takes a container out of its worker, which ends some time after its last one.
    async fn release(self: &Arc<Self>, container: &Container, program: &Program) {
        let worker = self.workers.lock().await.get(&program.domain.name).cloned();
        if let Some(worker) = worker {
            let id = container.id.clone();
            let _ = worker.send(&ToWorker::Kill { id: id.clone() }, &[]).await;
            let _ = worker.send(&ToWorker::Forget { id }, &[]).await;
            let turn = worker.turn.lock().await;
            let shared = self.entries().iter().any(|entry| {
                let same = |other: Program| other.task.code == program.task.code;
                entry.is_in(&program.domain) && entry.get().program.is_some_and(same)
            });
            if !shared && program.compiled.is_some() {
                worker.unlink(&program.task.code);
            }
            drop(turn);
        }
        self.retire_later(&program.domain);
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
