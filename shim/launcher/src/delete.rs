//! `delete`: the daemon lets go of a task or sandbox that containerd has given up. What that takes is the daemon's.
//!
//! containerd runs it whenever a connection closes, after a clean deletion too, and waits for it: so it is quick where nothing is
//! left, never takes longer than [`PATIENCE`], and succeeds in any case, for containerd removes the bundle afterwards.

use std::io::Write;
use std::time::{Duration, Instant, SystemTime};

use containerd_shim_protos::api::{DeleteRequest, DeleteResponse, KillRequest, WaitRequest};
use containerd_shim_protos::protobuf::well_known_types::timestamp::Timestamp;
use containerd_shim_protos::protobuf::{Message, MessageField};
use containerd_shim_protos::sandbox_api::ShutdownSandboxRequest;
use containerd_shim_protos::sandbox_sync::SandboxClient;
use containerd_shim_protos::ttrpc::context::{self, Context};
use containerd_shim_protos::ttrpc::{self, Code};
use containerd_shim_protos::{Client, TaskClient};
use rustix::process::Signal;
use shoal_channel::node::Folders;

use crate::args::Args;
use crate::reply;

/// containerd gives up after 5 s (`io.containerd.timeout.shim.cleanup`).
const PATIENCE: Duration = Duration::from_secs(3);
/// As after SIGKILL: nobody knows better.
const KILLED: u32 = 137;

pub(crate) fn run(folders: &Folders, args: &Args) -> anyhow::Result<()> {
    let socket = folders.shim_socket();
    let response = Client::connect(&reply::address(&socket))
        .ok()
        .and_then(|client| Cleanup::new(&client, args).run())
        .unwrap_or_else(|| DeleteResponse {
            exit_status: KILLED,
            exited_at: MessageField::some(Timestamp::from(SystemTime::now())),
            ..DeleteResponse::default()
        });
    std::io::stdout().write_all(&response.write_to_bytes()?)?;
    Ok(())
}

struct Cleanup<'a> {
    tasks: TaskClient,
    sandboxes: SandboxClient,
    args: &'a Args,
    deadline: Instant,
}

impl Cleanup<'_> {
    fn new<'a>(client: &Client, args: &'a Args) -> Cleanup<'a> {
        Cleanup {
            tasks: TaskClient::new(client.clone()),
            sandboxes: SandboxClient::new(client.clone()),
            args,
            deadline: Instant::now() + PATIENCE,
        }
    }

    /// How the task ended, where the daemon knew it.
    fn run(&self) -> Option<DeleteResponse> {
        let ended = self.end_task();
        // With `sandboxer = "shim"` the sandbox is no task, and no other call would end it.
        let request = ShutdownSandboxRequest {
            sandbox_id: self.args.id.clone(),
            ..ShutdownSandboxRequest::default()
        };
        let _ = self.sandboxes.shutdown_sandbox(self.context()?, &request);
        ended
    }

    fn end_task(&self) -> Option<DeleteResponse> {
        let id = &self.args.id;
        let kill = KillRequest {
            id: id.clone(),
            signal: u32::try_from(Signal::KILL.as_raw()).unwrap_or(9),
            all: true,
            ..KillRequest::default()
        };
        if unknown(&self.tasks.kill(self.context()?, &kill)) {
            return None;
        }
        let wait = WaitRequest {
            id: id.clone(),
            ..WaitRequest::default()
        };
        let _ = self.tasks.wait(self.context()?, &wait);
        let delete = DeleteRequest {
            id: id.clone(),
            ..DeleteRequest::default()
        };
        self.tasks.delete(self.context()?, &delete).ok()
    }

    /// What is left of the time. None when it is over.
    fn context(&self) -> Option<Context> {
        let left = self
            .deadline
            .checked_duration_since(Instant::now())
            .filter(|left| !left.is_zero())?;
        let mut context = context::with_duration(left);
        context.add(
            "containerd-namespace-ttrpc".to_owned(),
            self.args.namespace.clone(),
        );
        Some(context)
    }
}

fn unknown<T>(outcome: &ttrpc::Result<T>) -> bool {
    matches!(outcome, Err(ttrpc::Error::RpcStatus(status)) if status.code() == Code::NOT_FOUND)
}
