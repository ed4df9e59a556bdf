//! One task: a component that is called until it is stopped, or once. Which tasks there are is in `domain`.

use crate::broker::Broker;
use crate::front::{Fronts, Place};
use crate::openings::{self, Openings};
use crate::output::{Output, Outputs};
use anyhow::{Context, bail};
use shoal_protocol::{Ending, Exit, Role, Task};
use shoal_service::http::{Running, ServerOptions, serve};
use shoal_service::{
    Due, Exceeded, Failed, Fault, PodComponent, PodPart, Pods, Program, ServiceError, Serving, Triggers,
    Usage,
};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// What the tasks of a worker have in common.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) pods: Arc<Pods>,
    pub(crate) broker: Arc<Broker>,
    pub(crate) outputs: Arc<Outputs>,
    pub(crate) openings: Openings,
}

/// A task that could begin now.
pub(crate) struct ReadyTask {
    task: Box<Task>,
    what: Ready,
    listener: Option<TcpListener>,
    output: Arc<Output>,
}

enum Ready {
    Serves(Serving),
    Runs(Program),
    Due(Due),
    /// Nothing: others have it in themselves.
    Part,
}

/// Why a task can't begin.
pub(crate) enum NotReady {
    /// It may not run, or can't be loaded.
    Refused(anyhow::Error),
    /// Its first instance ended at its start.
    Ended(Exit),
}

/// A task that runs. Dropped, it ends at once, with its connections.
pub(crate) struct RunningTask {
    what: What,
    /// The program, or a server that stops: what ends by itself.
    ending: Option<Abort>,
    reported: Used,
    /// Those who have it in themselves print there too.
    output: Arc<Output>,
}

/// What a task has used, and what of its output is not in its log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) usage: Usage,
    pub(crate) log_dropped: u64,
}

enum What {
    Serves {
        serving: Box<Serving>,
        /// What calls it; none once it stops.
        callers: Option<Callers>,
        _place: Option<Place>,
    },
    Runs(Arc<Program>),
    Due(Arc<Due>),
    Part,
}

struct Callers {
    /// None where nothing listens.
    server: Option<Running>,
    triggers: Triggers,
}

struct Abort(AbortHandle);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl ReadyTask {
    /// Makes `task` ready, with its descriptors. What serves has made an instance by then.
    pub(crate) async fn make(
        task: Box<Task>,
        descriptors: Vec<OwnedFd>,
        shared: Shared,
    ) -> Result<Self, NotReady> {
        let made = if task.directories().next().is_some() {
            // Opening them takes as long as their file systems do, which may be for ever.
            let opening = shared.openings.begin(&task.sandbox).map_err(NotReady::Refused)?;
            openings::on_a_thread(opening, Self::load(task, descriptors, shared)).await
        } else {
            Self::load(task, descriptors, shared).await
        };
        let ready = made.map_err(NotReady::Refused)?;
        if let Ready::Serves(serving) = &ready.what {
            let tried = serving.try_start().await;
            tried.map_err(|fault| NotReady::Ended(why(fault)))?;
        }
        Ok(ready)
    }

    async fn load(task: Box<Task>, descriptors: Vec<OwnedFd>, shared: Shared) -> anyhow::Result<Self> {
        let Shared {
            pods,
            broker,
            outputs,
            ..
        } = &shared;
        let mut descriptors = descriptors.into_iter();
        let mut next = |what| {
            descriptors
                .next()
                .with_context(|| format!("{what} did not come with it"))
        };
        let output = Output::new(next("standard output")?, next("standard error")?)
            .context("standard output and error")?;
        outputs.add(&task.id, &output);
        if task.role == Role::Part {
            return Ok(Self {
                task,
                what: Ready::Part,
                listener: None,
                output,
            });
        }
        let listener = match task.role {
            Role::Serve => Some(listen(next("a listening socket")?).context("the listening socket")?),
            _ => None,
        };
        let files = task.files().map(|(store, _)| {
            let file = next("the file of a store")?;
            anyhow::Ok((store.to_owned(), File::from(file)))
        });
        let files = files.collect::<Result<_, _>>()?;
        let mut directories = |grants: usize| {
            let directories = (0..grants).map(|_| next("a directory"));
            directories.collect::<Result<Vec<_>, _>>()
        };
        let own = directories(task.component.capabilities.filesystem.len())?;
        let parts = task.parts.iter().map(|part| {
            anyhow::Ok(PodPart {
                component: &part.component,
                dialer: broker.dialer(&part.id),
                logs: outputs.of(&part.id).unwrap_or_else(|| Arc::clone(&output)),
                values: &part.values,
                stores: &part.stores,
                directories: directories(part.component.capabilities.filesystem.len())?,
            })
        });
        let component = PodComponent {
            files,
            directories: own,
            pod: &task.pod,
            id: &task.sandbox,
            service: (&task.service.0, &task.service.1),
            component: &task.component,
            digest: task.digest.clone(),
            compiled: Path::new("/").join(file_name(&task.code)?),
            description: task.description.clone(),
            dialer: broker.dialer(&task.id),
            logs: Arc::clone(&output) as _,
            values: &task.values,
            stores: &task.stores,
            triggers: &task.triggers,
            parts: parts.collect::<Result<_, _>>()?,
        };
        let what = match &task.role {
            Role::Serve | Role::Handle => {
                let serving = pods.serve(component, listener.is_some()).await;
                Ready::Serves(serving.map_err(whole)?)
            }
            Role::Run => Ready::Runs(pods.program(component).await.map_err(whole)?),
            Role::Due { trigger } => Ready::Due(pods.due(component, trigger).await.map_err(whole)?),
            Role::Part => Ready::Part,
        };
        Ok(Self {
            task,
            what,
            listener,
            output,
        })
    }

    /// Lets it begin. `ended` is called when it ends by itself.
    pub(crate) fn begin(
        self,
        fronts: &Fronts,
        ended: impl FnOnce(Exit) + Send + 'static,
    ) -> anyhow::Result<RunningTask> {
        let Self {
            task,
            what,
            listener,
            output,
        } = self;
        let (what, ending) = match what {
            Ready::Serves(serving) => {
                let (mut server, mut place) = (None, None);
                if let (Some(handler), Some(listener)) = (serving.handler(), listener) {
                    let routes;
                    (routes, place) = fronts.routes(&task, handler);
                    let serves = serve(listener, routes, ServerOptions::default());
                    server = Some(serves.context("the listening socket")?);
                }
                let triggers = serving.start();
                let what = What::Serves {
                    serving: Box::new(serving),
                    callers: Some(Callers { server, triggers }),
                    _place: place,
                };
                (what, None)
            }
            Ready::Runs(program) => {
                let program = Arc::new(program);
                let limit = task.component.limits.request_timeout.as_std();
                let running = Arc::clone(&program);
                let ending = once(async move { how(running.run(Some(limit)).await) }, ended);
                (What::Runs(program), Some(ending))
            }
            Ready::Due(due) => {
                let due = Arc::new(due);
                let called = Arc::clone(&due);
                let ending = once(async move { called_once(called.run().await) }, ended);
                (What::Due(due), Some(ending))
            }
            Ready::Part => (What::Part, None),
        };
        Ok(RunningTask {
            what,
            ending,
            reported: Used::default(),
            output,
        })
    }
}

impl RunningTask {
    /// Takes no more requests and messages. `ended` is called when those in flight are finished. What is run once is told nothing.
    pub(crate) fn stop(&mut self, ended: impl FnOnce(Exit) + Send + 'static) {
        let callers = match &mut self.what {
            What::Serves { callers, .. } => callers,
            What::Part => return ended(exit(Ending::Completed(0), String::new())),
            What::Runs(_) | What::Due(_) => return,
        };
        let Some(Callers { server, triggers }) = callers.take() else {
            return;
        };
        let stopping = tokio::spawn(async move {
            // Whoever has waited long enough kills it.
            let server = async {
                if let Some(server) = server {
                    server.shutdown(Duration::MAX).await;
                }
            };
            tokio::join!(server, triggers.shutdown(Duration::MAX));
            ended(exit(Ending::Completed(0), String::new()));
        });
        self.ending = Some(Abort(stopping.abort_handle()));
    }

    /// What it uses, where that has changed since this was last asked.
    pub(crate) fn usage(&mut self) -> Option<Used> {
        let usage = match &self.what {
            What::Serves { serving, .. } => serving.usage(),
            What::Runs(program) => program.usage(),
            What::Due(due) => due.usage(),
            What::Part => Usage::default(),
        };
        let used = Used {
            usage,
            log_dropped: self.output.dropped(),
        };
        let changed = used != self.reported;
        self.reported = used;
        changed.then_some(used)
    }
}

/// Its text holds its causes already.
fn whole(error: ServiceError) -> anyhow::Error {
    anyhow::Error::msg(error.to_string())
}

/// The code's name, in the root and nowhere else.
fn file_name(code: &str) -> anyhow::Result<&str> {
    if code.contains('/') || code.starts_with('.') || code.is_empty() {
        bail!("{code:?} is no name of a compiled file");
    }
    Ok(code)
}

fn listen(socket: OwnedFd) -> std::io::Result<TcpListener> {
    let listener = std::net::TcpListener::from(socket);
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Does `work`, which ends by itself.
fn once(
    work: impl Future<Output = Exit> + Send + 'static,
    ended: impl FnOnce(Exit) + Send + 'static,
) -> Abort {
    let running = tokio::spawn(work);
    let abort = Abort(running.abort_handle());
    tokio::spawn(async move {
        match running.await {
            Ok(exit) => ended(exit),
            // Our mistake, not the guest's; but its run is over.
            Err(error) if error.is_panic() => ended(exit(
                Ending::Trap,
                "a mistake of Shoal's: the worker's log says which".to_owned(),
            )),
            Err(_) => {}
        }
    });
    abort
}

fn called_once(ended: Result<(), Failed>) -> Exit {
    match ended {
        Ok(()) => exit(Ending::Completed(0), String::new()),
        Err(failed) => exit(Ending::Completed(1), failed.reason),
    }
}

fn how(end: shoal_service::Exit) -> Exit {
    match end {
        // Of an exit code the system keeps the lowest eight bits.
        shoal_service::Exit::Code(code) => exit(Ending::Completed(code.to_le_bytes()[0]), String::new()),
        shoal_service::Exit::Fault(fault) => why(fault),
    }
}

fn why(fault: Fault) -> Exit {
    let ending = match &fault {
        Fault::Exceeded(Exceeded::Memory { .. }) => Ending::OutOfMemory,
        Fault::Exceeded(Exceeded::CpuTime { .. }) | Fault::Deadline { .. } => Ending::Deadline,
        Fault::Trap { .. } | Fault::Host { .. } => Ending::Trap,
    };
    exit(ending, fault.to_string())
}

pub(crate) fn exit(ending: Ending, message: String) -> Exit {
    Exit { ending, message }
}
