//! A daemon for the keeper's tests: real ttrpc, real descriptors, no pods. What it answers tells the test what it has seen.

#![allow(
    clippy::expect_used,
    reason = "a test's other half, which clippy takes for other code"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use containerd_shim_protos::api::{
    ConnectRequest, ConnectResponse, CreateTaskRequest, CreateTaskResponse, DeleteRequest, DeleteResponse,
    Empty, KillRequest, ShutdownRequest, StartRequest, StartResponse, StateRequest, StateResponse,
    WaitRequest, WaitResponse,
};
use containerd_shim_protos::shim_async::{Task, create_task};
use containerd_shim_protos::ttrpc::asynchronous::{Server, TtrpcContext};
use containerd_shim_protos::ttrpc::{Code, Error, Result, get_status};
use shoal_channel::node::Folders;
use shoal_channel::store::{Exited, FromKeeper, ToKeeper, Version};
use shoal_channel::{AsyncChannel, Channel};

/// What the keeper has said.
#[derive(Default, serde::Serialize)]
struct Told {
    /// Name to the content of the file that is kept under it.
    have: BTreeMap<String, String>,
    orphans: Vec<Exited>,
    exited: Vec<Exited>,
}

struct Service {
    run: PathBuf,
    channel: Arc<AsyncChannel>,
    told: Arc<Mutex<Told>>,
}

#[async_trait]
impl Task for Service {
    /// Which daemon this is.
    async fn connect(&self, _: &TtrpcContext, _: ConnectRequest) -> Result<ConnectResponse> {
        Ok(ConnectResponse {
            shim_pid: std::process::id(),
            ..ConnectResponse::default()
        })
    }

    /// Answers when there is a file of the id's name.
    async fn wait(&self, _: &TtrpcContext, request: WaitRequest) -> Result<WaitResponse> {
        append(
            &self.run.join("asked"),
            &format!("{} {}\n", std::process::id(), request.id),
        );
        while !self.run.join(&request.id).exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(WaitResponse {
            exit_status: std::process::id(),
            ..WaitResponse::default()
        })
    }

    /// Has the keeper keep a file with the id as its content, under the id as its name.
    async fn start(&self, _: &TtrpcContext, request: StartRequest) -> Result<StartResponse> {
        let path = self.run.join(format!("kept-{}", request.id));
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .expect("a file");
        std::fs::remove_file(path).expect("removed");
        file.write_all(request.id.as_bytes()).expect("written");
        let (pipe, _) = std::io::pipe().expect("a pipe");
        self.channel
            .send(&ToKeeper::Put(request.id), &[file.as_fd(), pipe.as_fd()])
            .await
            .expect("put");
        Ok(StartResponse::default())
    }

    async fn state(&self, _: &TtrpcContext, _: StateRequest) -> Result<StateResponse> {
        let told = serde_json::to_string(&*self.told.lock().expect("a lock")).expect("JSON");
        Ok(StateResponse {
            bundle: told,
            ..StateResponse::default()
        })
    }

    /// Starts a process that outlives this one.
    async fn create(&self, _: &TtrpcContext, _: CreateTaskRequest) -> Result<CreateTaskResponse> {
        let mut child = Command::new("sleep");
        child
            .arg("600")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        let pid = child.spawn().expect("a process").id();
        Ok(CreateTaskResponse {
            pid,
            ..CreateTaskResponse::default()
        })
    }

    async fn kill(&self, _: &TtrpcContext, request: KillRequest) -> Result<Empty> {
        append(
            &self.run.join("killed"),
            &format!("{} {}\n", request.id, request.signal),
        );
        match request.id.as_str() {
            "known" => Ok(Empty::default()),
            _ => Err(Error::RpcStatus(get_status(Code::NOT_FOUND, "no such task"))),
        }
    }

    async fn delete(&self, _: &TtrpcContext, request: DeleteRequest) -> Result<DeleteResponse> {
        if let Some(name) = request.id.strip_prefix("kept-") {
            self.channel
                .send(&ToKeeper::Drop(name.to_owned()), &[])
                .await
                .expect("dropped");
        }
        Ok(DeleteResponse {
            pid: 4,
            exit_status: 7,
            ..DeleteResponse::default()
        })
    }

    async fn shutdown(&self, _: &TtrpcContext, _: ShutdownRequest) -> Result<Empty> {
        std::process::exit(0);
    }
}

fn append(path: &Path, text: &str) {
    let mut file = File::options()
        .create(true)
        .append(true)
        .open(path)
        .expect("a file");
    file.write_all(text.as_bytes()).expect("written");
}

fn content(fds: Vec<OwnedFd>) -> String {
    let mut file = File::from(fds.into_iter().next().expect("a descriptor"));
    let mut content = String::new();
    file.rewind().expect("rewound");
    file.read_to_string(&mut content).expect("read");
    content
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let folders = Folders::from_env();
    let channel = Channel::inherited().expect("a channel to the keeper");
    if folders.run.join("crash").exists() {
        std::process::exit(3);
    }
    let channel = Arc::new(AsyncChannel::new(channel).expect("registered"));
    let told = Arc::new(Mutex::new(Told::default()));
    loop {
        let (message, fds) = channel
            .recv::<FromKeeper>()
            .await
            .expect("received")
            .expect("a packet");
        match message {
            FromKeeper::Have(name) => drop(told.lock().expect("a lock").have.insert(name, content(fds))),
            FromKeeper::Exited(exited) => told.lock().expect("a lock").exited.push(exited),
            FromKeeper::Ready(ready) => {
                told.lock().expect("a lock").orphans = ready.orphans;
                // As a newer daemon may: a keeper skips what it does not know.
                let newer = serde_json::json!({"sing": {"songs": 3}});
                channel.send(&newer, &[]).await.expect("sent");
                if let (Some(_), Some(ours)) = (ready.version, Version::ours()) {
                    let hello = ToKeeper::Hello(ours);
                    channel.send(&hello, &[]).await.expect("sent");
                }
                break;
            }
        }
    }
    let service = Service {
        run: folders.run.clone(),
        channel: Arc::clone(&channel),
        told: Arc::clone(&told),
    };
    let socket = folders.daemon_socket();
    let _ = std::fs::remove_file(&socket);
    let mut server = Server::new()
        .bind(&format!("unix://{}", socket.display()))
        .expect("bound")
        .register_service(create_task(Arc::new(service)));
    server.start().await.expect("started");
    append(&folders.run.join("daemons"), &format!("{}\n", std::process::id()));
    while let Some((message, _)) = channel.recv::<FromKeeper>().await.expect("received") {
        if let FromKeeper::Exited(exited) = message {
            channel
                .send(&ToKeeper::Seen(exited.pid), &[])
                .await
                .expect("seen");
            told.lock().expect("a lock").exited.push(exited);
        }
    }
    // The keeper is gone.
    std::process::exit(1);
}
