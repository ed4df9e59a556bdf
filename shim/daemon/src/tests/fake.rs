//! A node without containerd and without processes, and the workers that it believes in.

use crate::entry::Entry;
use crate::error::Error;
use crate::events::Events;
use crate::images::Images;
use crate::keeper::Keeper;
use crate::node::{Edges, Node};
use crate::paths::Paths;
use crate::process::{Death, Launch, Launched, Process};
use crate::record::{Container, Domain, Owner, Program, State, WorkerRecord};
use async_trait::async_trait;
use serde_json::{Value, json};
use shoal_channel::{AsyncChannel, Channel};
use shoal_compile::{CompileLimits, Compiler};
use shoal_protocol::{Ending, Exit, FromWorker, ToWorker};
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::{Mutex, mpsc, watch};

/// Far beyond what anything here takes that is not stuck.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A container of the pod `sandbox` in the trust domain `ns-default`, that was made and not started.
pub(crate) fn container(id: &str, sandbox: &str) -> Container {
    container_in("ns-default", id, sandbox, json!({"name": "main"}))
}

/// The same in another trust domain, with a component of its own.
pub(crate) fn container_in(domain: &str, id: &str, sandbox: &str, component: Value) -> Container {
    let task = json!({
        "id": id, "pod": format!("default/{sandbox}"), "component": component, "code": "", "digest": "sha256:0",
        "description": {"kind": "component", "variant": "plain", "imports": [], "exports": []},
        "role": "run", "sandbox": sandbox,
    });
    Container {
        id: id.to_owned(),
        namespace: "k8s.io".to_owned(),
        bundle: String::new(),
        stdin: String::new(),
        stdout: String::new(),
        stderr: String::new(),
        program: Some(Arc::new(Program {
            task: serde_json::from_value(task).unwrap(),
            compiled: None,
            volumes: Default::default(),
            owner: Owner::default(),
            sandbox: sandbox.to_owned(),
            domain: Domain {
                name: domain.to_owned(),
                netns: None,
                directories: false,
            },
            port: 0,
            netns: None,
            resolv: String::new(),
            termination_log: None,
        })),
        state: State::Created,
        worker: None,
    }
}

/// A node, and the workers that it starts, in their order.
pub(crate) struct Lab {
    pub(crate) node: Arc<Node>,
    pub(crate) started: Mutex<mpsc::UnboundedReceiver<Fake>>,
    undying: Arc<AtomicBool>,
    /// The digest of the program that workers run from now on.
    pub(crate) build: Arc<std::sync::Mutex<String>>,
    _keeper: Channel,
    _folder: TempDir,
}

impl Lab {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::within(folder.path());
        let (ours, keeper) = Channel::pair().unwrap();
        let (fakes, started) = mpsc::unbounded_channel();
        let undying = Arc::new(AtomicBool::new(false));
        let build = Arc::new(std::sync::Mutex::new("one".to_owned()));
        let launcher = Launcher {
            build: Arc::clone(&build),
            fakes,
            undying: Arc::clone(&undying),
        };
        let compiler = Compiler::new(std::env::current_exe().unwrap(), CompileLimits::default());
        let edges = Edges {
            images: Images::with(&paths, compiler.unwrap()).unwrap(),
            events: Events::start(paths.clone()),
            keeper: Keeper::over(AsyncChannel::new(ours).unwrap()),
            launcher: Box::new(launcher),
        };
        Self {
            node: Node::restore(paths, edges, HashMap::new()).await.unwrap(),
            started: Mutex::new(started),
            build,
            undying,
            _keeper: keeper,
            _folder: folder,
        }
    }

    /// Whether SIGKILL does nothing to the workers that are started from now on.
    pub(crate) fn undying(&self, undying: bool) {
        self.undying.store(undying, Ordering::Relaxed);
    }

    /// The worker that was started next.
    pub(crate) async fn fake(&self) -> Fake {
        let next = async { self.started.lock().await.recv().await };
        tokio::time::timeout(LONG, next).await.unwrap().unwrap()
    }

    /// Adds a container and starts it; the worker that it is in is the next one where there is none yet.
    pub(crate) async fn run(&self, container: Container) -> Result<Arc<Entry>, Error> {
        let entry = self.node.add(container).unwrap();
        let starting = self.node.start(&entry.id);
        tokio::time::timeout(LONG, starting).await.unwrap()?;
        Ok(entry)
    }

    /// Kills a container and deletes it.
    pub(crate) async fn end(&self, id: &str) {
        let ending = async {
            self.node.kill(id, 9).await.unwrap();
            self.node.delete(id).await.unwrap();
        };
        tokio::time::timeout(LONG, ending).await.unwrap();
    }
}

struct Launcher {
    build: Arc<std::sync::Mutex<String>>,
    fakes: mpsc::UnboundedSender<Fake>,
    undying: Arc<AtomicBool>,
}

#[async_trait]
impl Launch for Launcher {
    async fn build(&self) -> Result<String, Error> {
        Ok(crate::node::lock(&self.build).clone())
    }

    async fn launch(&self, record: WorkerRecord, _: &Keeper) -> Result<Launched, Error> {
        let (ours, theirs) = Channel::pair().unwrap();
        let process = FakeProcess {
            undying: self.undying.load(Ordering::Relaxed),
            dead: Arc::new(watch::Sender::new(false)),
        };
        let fake = Fake {
            record: record.clone(),
            channel: Arc::new(AsyncChannel::new(theirs).unwrap()),
            dead: Arc::clone(&process.dead),
        };
        self.fakes.send(fake).unwrap();
        Ok(Launched {
            record,
            channel: OwnedFd::from(ours),
            process: Box::new(process),
        })
    }
}

struct FakeProcess {
    undying: bool,
    dead: Arc<watch::Sender<bool>>,
}

#[async_trait]
impl Process for FakeProcess {
    fn kill(&self) {
        self.dead.send_if_modified(|dead| {
            *dead |= !self.undying;
            *dead
        });
    }

    async fn died(&self) -> Death {
        self.dead.subscribe().wait_for(|dead| *dead).await.unwrap();
        Death {
            oom: false,
            text: "signal 9".to_owned(),
        }
    }

    fn is_held(&self) -> bool {
        false
    }

    fn link(&self, _: &Path, _: &str) -> Result<(), Error> {
        Ok(())
    }

    fn unlink(&self, _: &str) {}

    fn listener(&self, _: Option<&Path>, _: u16) -> std::io::Result<Option<OwnedFd>> {
        Ok(Some(std::net::TcpListener::bind("127.0.0.1:0")?.into()))
    }

    fn clean(&self) {}
}

/// The other end of a worker's channel.
#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) record: WorkerRecord,
    pub(crate) channel: Arc<AsyncChannel>,
    /// Ends the process, whatever it is.
    pub(crate) dead: Arc<watch::Sender<bool>>,
}

impl Fake {
    pub(crate) async fn say(&self, message: &FromWorker) {
        let saying = self.channel.send(message, &[]);
        tokio::time::timeout(LONG, saying).await.unwrap().unwrap();
    }

    /// The next message that is none of the daemon's greeting.
    pub(crate) async fn hear(&self) -> ToWorker {
        loop {
            let hearing = self.channel.recv::<ToWorker>();
            match tokio::time::timeout(LONG, hearing).await.unwrap().unwrap() {
                Some((ToWorker::Hello(_), _)) => {}
                Some((message, _)) => return message,
                None => panic!("the daemon has closed the channel"),
            }
        }
    }

    /// Does what a worker does about tasks, from now on; what is left over can be received.
    pub(crate) fn obey(&self) -> mpsc::UnboundedReceiver<ToWorker> {
        let (rest, others) = mpsc::unbounded_channel();
        let fake = self.clone();
        tokio::spawn(async move {
            while let Ok(Some((message, _))) = fake.channel.recv::<ToWorker>().await {
                let answer = match message {
                    ToWorker::Start { task } => FromWorker::Started { id: task.id },
                    ToWorker::Kill { id } | ToWorker::Stop { id } => FromWorker::Ended {
                        id,
                        exit: Exit {
                            ending: Ending::Killed,
                            message: String::new(),
                        },
                    },
                    ToWorker::Hello(_) => FromWorker::State {
                        version: None,
                        tasks: Vec::new(),
                    },
                    ToWorker::Forget { .. } => continue,
                    other => {
                        let _ = rest.send(other);
                        continue;
                    }
                };
                let _ = fake.channel.send(&answer, &[]).await;
            }
        });
        others
    }
}
