//! What can go wrong with a node, each in one line that says what was wrong and what to do.

use std::io;
use std::path::{Path, PathBuf};

use crate::config::ConfigError;

/// See the messages.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system takes no changes.
    #[error("this node can't be changed by an installer, and was not: {0}")]
    Unchangeable(&'static str),
    /// No containerd.
    #[error(
        "no containerd was found on this node: is it running? `--containerd-socket` says where it listens elsewhere"
    )]
    NoContainerd,
    /// It does not answer.
    #[error("containerd does not answer at {socket}: {reason}", socket = socket.display())]
    Unreachable {
        /// Where it listens.
        socket: PathBuf,
        /// What was tried last.
        reason: String,
    },
    /// Who listens is not seen.
    #[error("the process of containerd is not visible from here: the pod needs `hostPID: true`")]
    NoHostPid,
    /// Too old.
    #[error("containerd {0} is too old: 1.6 or later is needed")]
    TooOld(String),
    /// Its configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Nobody knows how to restart it.
    #[error(
        "containerd (process {0}) belongs to no unit of systemd, so nobody knows how to restart it: say it by `--restart-command`"
    )]
    NoUnit(i32),
    /// The restart itself.
    #[error("containerd can't be restarted by `{command}`: {reason}")]
    Restart {
        /// What was run.
        command: String,
        /// How it ended.
        reason: String,
    },
    /// It did not come back, or not as it should be.
    #[error("{what} within {seconds} s: {reason}")]
    TimedOut {
        /// What was waited for.
        what: &'static str,
        /// For how long.
        seconds: u64,
        /// What was seen last.
        reason: String,
    },
    /// A file.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    File {
        /// What was done with it.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something stands where our link should.
    #[error("{path} is there and was not put there by the installer: remove it, so that containerd finds the shim of this version", path = .0.display())]
    Occupied(PathBuf),
    /// The payload.
    #[error("the payload has no {name} in {folder}: is this the installer's image? ({source})", folder = folder.display())]
    Payload {
        /// The program.
        name: &'static str,
        /// Where it was looked for.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A request of ours.
    #[error("containerd does not {what}: {reason}")]
    Request {
        /// What was asked.
        what: &'static str,
        /// What it answered.
        reason: String,
    },
    /// The pod that shows that pods run.
    #[error("the canary pod did not run: {0}")]
    Canary(String),
    /// What was written was taken back.
    #[error("{cause}; the node is as it was before: {undone}")]
    RolledBack {
        /// Why.
        cause: Box<Error>,
        /// What was undone.
        undone: String,
    },
    /// Neither way.
    #[error("{cause}; and the way back failed too: {rollback}. What was there before is in {backup}", backup = backup.display())]
    Stuck {
        /// Why the way back was taken.
        cause: Box<Error>,
        /// Why it failed.
        rollback: Box<Error>,
        /// Where the files are.
        backup: PathBuf,
    },
    /// The same as a while ago.
    #[error("not tried again before {minutes} min have passed, since nothing has changed: {reason}")]
    TooSoon {
        /// How long still.
        minutes: u64,
        /// What went wrong then.
        reason: String,
    },
    /// Pods are left.
    #[error(
        "{count} pods of the runtime are still on this node ({first}, ...): drain it first, or say --force"
    )]
    PodsLeft {
        /// How many.
        count: usize,
        /// The name of one.
        first: String,
    },
    /// A value of the command line.
    #[error("--runtime-option {option}: {reason}; it is KEY=VALUE, the value as in TOML")]
    Option {
        /// As it was given.
        option: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A value of the command line.
    #[error("--cache-size {0}: it is no size; write a whole number and a unit, such as 10Gi or 500M")]
    CacheSize(String),
    /// Another one is at work.
    #[error("another installer is at work on this node (it holds {path}): it ends by itself, or with its pod", path = .0.display())]
    Busy(PathBuf),
}

impl Error {
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }
}
