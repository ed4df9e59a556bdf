//! One task: a component that answers requests, or a program. Which tasks there are is in `domain`.

use crate::broker::Broker;
use crate::front::{Fronts, Place};
use crate::output::Output;
use anyhow::{Context, bail};
use shoal_protocol::{Ending, Exit, Role, Task};
use shoal_service::http::{Running, ServerOptions, serve};
use shoal_service::{Exceeded, Fault, PodComponent, Pods, Program, ServiceError, Serving, Usage};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// A task that runs. Dropped, it ends at once, with its connections.
pub(crate) struct RunningTask {
    what: What,
    /// The program, or a server that stops: what ends by itself.
    ending: Option<Abort>,
    reported: Usage,
}

enum What {
    Serves {
        serving: Serving,
        /// None once it stops.
        server: Option<Running>,
        _place: Option<Place>,
    },
    Runs(Arc<Program>),
}

struct Abort(AbortHandle);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl RunningTask {
    /// Starts `task` with its descriptors. `ended` is called when it ends by itself.
    pub(crate) fn start(
        task: &Task,
        descriptors: Vec<OwnedFd>,
        pods: &Pods,
        broker: &Arc<Broker>,
        fronts: &Fronts,
        ended: impl FnOnce(Exit) + Send + 'static,
    ) -> anyhow::Result<Self> {
        let mut descriptors = descriptors.into_iter();
        let mut next = |what| {
            descriptors
                .next()
                .with_context(|| format!("{what} did not come with it"))
        };
        let output = Output::new(next("standard output")?, next("standard error")?)
            .context("standard output and error")?;
        let component = PodComponent {
            pod: &task.pod,
            component: &task.component,
            digest: task.digest.clone(),
            compiled: Path::new("/").join(file_name(&task.code)?),
            description: task.description.clone(),
            dialer: broker.dialer(&task.id),
            logs: output,
            secrets: &task.secrets,
            stores: (&task.stores.pod, &task.stores.stores),
        };
        match task.role {
            Role::Serve => {
                let serving = pods.serve(component).map_err(whole)?;
                let (routes, place) = fronts.routes(task, serving.handler());
                let server = listen(next("a listening socket")?)
                    .and_then(|it| serve(it, routes, ServerOptions::default()))
                    .context("the listening socket")?;
                let server = Some(server);
                let what = What::Serves {
                    serving,
                    server,
                    _place: place,
                };
                Ok(Self::new(what, None))
            }
            Role::Run => {
                let program = Arc::new(pods.program(component).map_err(whole)?);
                let limit = task.component.limits.request_timeout.as_std();
                let ending = run(Arc::clone(&program), limit, ended);
                Ok(Self::new(What::Runs(program), Some(ending)))
            }
        }
    }

    fn new(what: What, ending: Option<Abort>) -> Self {
        Self {
            what,
            ending,
            reported: Usage::default(),
        }
    }

    /// Tries whether a component that serves can start at all; anything else has begun by now.
    pub(crate) fn try_start(&self) -> impl Future<Output = Result<(), Exit>> + Send + 'static {
        let trying = match &self.what {
            What::Serves { serving, .. } => Some(serving.try_start()),
            What::Runs(_) => None,
        };
        async {
            match trying {
                Some(trying) => trying.await.map_err(why),
                None => Ok(()),
            }
        }
    }

    /// Accepts no more requests. `ended` is called when those in flight are finished. A program is told nothing.
    pub(crate) fn stop(&mut self, ended: impl FnOnce(Exit) + Send + 'static) {
        let What::Serves { server, .. } = &mut self.what else {
            return;
        };
        let Some(server) = server.take() else { return };
        let stopping = tokio::spawn(async move {
            // Whoever has waited long enough kills it.
            server.shutdown(Duration::MAX).await;
            ended(exit(Ending::Completed(0), String::new()));
        });
        self.ending = Some(Abort(stopping.abort_handle()));
    }

    /// What it uses, where that has changed since this was last asked.
    pub(crate) fn usage(&mut self) -> Option<Usage> {
        let usage = match &self.what {
            What::Serves { serving, .. } => serving.usage(),
            What::Runs(program) => program.usage(),
        };
        let changed = usage != self.reported;
        self.reported = usage;
        changed.then_some(usage)
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

fn run(program: Arc<Program>, limit: Duration, ended: impl FnOnce(Exit) + Send + 'static) -> Abort {
    let running = tokio::spawn(async move { program.run(Some(limit)).await });
    let abort = Abort(running.abort_handle());
    tokio::spawn(async move {
        match running.await {
            Ok(end) => ended(how(end)),
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
