//! What `shoald` and its workers say to each other: packets of JSON with descriptors, over a socket pair of which the keeper holds
//! a copy. How packets travel is in `shoal-channel`; what either side does with them, in `shim/daemon` and `shim/worker`.
//!
//! The daemon trusts nothing that a worker says: a worker runs guests, and one of them may have broken out. It looks up every task
//! among those that it gave to this very worker, and checks every request against the grants of that task.
//!
//! ```text
//! daemon ── Hello ─────────────────> worker        after either was started; a worker that survived a daemon answers with all it runs
//!        <────────────────── State ──
//!        ── Start + descriptors ───>               stdout, stderr, the listener of one that serves, files of stores,
//!                                                   directories
//!        <── Started | Failed ───────
//!        <── Connect, Resolve ───────               what it may not do itself
//!        ── Connected + socket ─────>
//!        ── Stop, Kill ────────────>
//!        <─────────────────── Ended ──
//! ```
//!
//! Either side may be older than the other: a worker outlives its daemon, and the daemon that follows may be a newer one or, after a
//! rollback, an older one. Both receive `shoal_channel::Message`. What may change is in `tests/golden`, with the messages of each released
//! version: kinds and fields may be added, a field with a default; a kind that is added is sent only to a side that has said that it
//! speaks the version which brought it.

mod exit;
mod task;
mod version;

pub use exit::{Ending, Exit};
pub use task::{Role, Task, TaskPart};
pub use version::{VERSION, Version};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// A container's id: containerd's, at most 76 characters of `[A-Za-z0-9_.-]`.
pub type TaskId = String;

/// Matches an answer with its question. A worker counts from anywhere; the daemon hands it back as it came.
pub type Ticket = u64;

/// From the daemon to a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ToWorker {
    /// A daemon is there, and of this version; none where the worker speaks version 1, which knows no such field. Answered by
    /// [`FromWorker::State`]. Questions that were not answered are asked again.
    Hello(Option<Version>),
    /// Run this. With its descriptors: standard output, standard error, a listening socket where the role is [`Role::Serve`], the files
    /// of its stores ([`Task::files`]), and directories ([`Task::directories`]). Answered by [`FromWorker::Started`] or [`FromWorker::Failed`]; one that runs already stays as it is and
    /// is answered as started.
    Start {
        /// What to run. In a box, for it is much larger than all else.
        task: Box<Task>,
    },
    /// Accept no more requests, let those in flight finish, then end. One that runs a command is told nothing, as WASI has no
    /// signals, and is killed at the end of the grace period by [`ToWorker::Kill`].
    Stop {
        /// Which task.
        id: TaskId,
    },
    /// End at once.
    Kill {
        /// Which task.
        id: TaskId,
    },
    /// Forget a task that has ended.
    Forget {
        /// Which task.
        id: TaskId,
    },
    /// Answers [`FromWorker::Connect`]; with the socket where there is no error.
    Connected {
        /// The question's.
        ticket: Ticket,
        /// Why there is no connection.
        error: Option<Refused>,
    },
    /// Answers [`FromWorker::Resolve`].
    Resolved {
        /// The question's.
        ticket: Ticket,
        /// The addresses, at least one, or why there is none.
        addresses: Result<Vec<IpAddr>, Refused>,
    },
}

/// From a worker to the daemon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum FromWorker {
    /// All that this worker runs, and what ended and was not yet forgotten.
    State {
        /// Who this worker is. Since version 2.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<Version>,
        /// One for each task.
        tasks: Vec<TaskState>,
    },
    /// A task accepts requests, or a command began.
    Started {
        /// Which task.
        id: TaskId,
    },
    /// A task could not be started.
    Failed {
        /// Which task.
        id: TaskId,
        /// What was wrong and what to do, for the pod's events.
        reason: String,
    },
    /// A task has ended.
    Ended {
        /// Which task.
        id: TaskId,
        /// How.
        exit: Exit,
    },
    /// What tasks use; only those that changed since this was last said.
    Usage {
        /// One for each task.
        tasks: Vec<Usage>,
    },
    /// A connection for a task, from inside of its pod's network.
    Connect {
        /// For the answer.
        ticket: Ticket,
        /// Which task.
        id: TaskId,
        /// Where to. TCP.
        address: SocketAddr,
    },
    /// The addresses of a name, as the task's pod sees it.
    Resolve {
        /// For the answer.
        ticket: Ticket,
        /// Which task.
        id: TaskId,
        /// A host name.
        name: String,
    },
}

/// Why the daemon did not do what a worker asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// The number of the system's error (errno(3)): `EACCES` where the grants don't allow it.
    pub errno: i32,
    /// The same in words.
    pub message: String,
}

/// One task of a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskState {
    /// Which task.
    pub id: TaskId,
    /// How it ended; none while it runs.
    pub exit: Option<Exit>,
}

/// What a task has used since it was started, and uses now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Which task.
    pub id: TaskId,
    /// CPU time in nanoseconds, guests and host calls together.
    pub cpu_ns: u64,
    /// Bytes in memories and tables of instances that exist now.
    pub memory: u64,
    /// Requests that were begun.
    pub requests: u64,
    /// Bytes of output that are not in its log.
    #[serde(default)]
    pub log_dropped: u64,
}
