//! Where the processes of a node find each other: files, sockets, variables. What is in the daemon's own files is its own.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The variable that names [`Folders::run`].
pub const RUN_ENV: &str = "SHOAL_RUN";
/// The variable that names [`Folders::root`].
pub const ROOT_ENV: &str = "SHOAL_ROOT";

/// The folders of a node. Both are root's alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    /// Sockets and locks: what a reboot may lose. `/run/shoal` by default.
    pub run: PathBuf,
    /// State and logs: what a reboot may not lose. `/var/lib/shoal` by default.
    pub root: PathBuf,
}

impl Folders {
    /// As the environment says.
    pub fn from_env() -> Folders {
        let folder = |name, default: &str| match std::env::var_os(name) {
            Some(value) if !value.is_empty() => PathBuf::from(value),
            _ => PathBuf::from(default),
        };
        Folders {
            run: folder(RUN_ENV, "/run/shoal"),
            root: folder(ROOT_ENV, "/var/lib/shoal"),
        }
    }

    /// Where the keeper listens for containerd.
    pub fn shim_socket(&self) -> PathBuf {
        self.run.join("shim.sock")
    }

    /// Where the daemon listens for the keeper. The daemon removes what an earlier one left there.
    pub fn daemon_socket(&self) -> PathBuf {
        self.run.join("shoald.sock")
    }

    /// What is known about containerd: a [`Containerd`], replaced as a whole.
    pub fn containerd(&self) -> PathBuf {
        self.run.join("containerd.json")
    }

    /// Where keeper and daemon log to.
    pub fn log(&self) -> PathBuf {
        self.root.join("log/shoald.log")
    }
}

/// The containerd that asked for a task last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Containerd {
    /// The socket of its gRPC services: content, images, containers.
    pub grpc_address: String,
    /// The socket of its ttrpc services, where events are published.
    pub ttrpc_address: String,
    /// The namespace that was asked for last. Each request names its own.
    pub namespace: String,
    /// Its version, where it is known.
    pub version: Option<String>,
    /// Its program, and that program's size and time of change: whether `version` is still true.
    pub binary: String,
    /// See `binary`.
    pub binary_stamp: String,
}
