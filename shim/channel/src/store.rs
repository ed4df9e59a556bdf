//! What keeper and daemon say to each other over the store channel. Keeping and restoring is theirs.
//!
//! The keeper outlives daemons, of older and of newer versions than itself: what is said here may grow, and nothing may change its
//! meaning. Messages are received as [`crate::Message`]; files of each released version are in `tests/golden`. The keeper holds descriptors for them under names, and reaps the processes that a dead daemon leaves
//! behind. When a daemon starts, it gets a [`FromKeeper::Have`] for each name, then [`FromKeeper::Ready`].

use serde::{Deserialize, Serialize};

/// The version of these messages. 1 is that of Shoal 0.1.0, which says none.
pub const VERSION: u32 = if cfg!(feature = "previous-protocol") { 1 } else { 2 };
/// Descriptors that can be kept under one name.
pub const MAX_KEPT_FDS: usize = 4;
/// The longest name.
pub const MAX_NAME: usize = 256;

/// From the daemon to the keeper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToKeeper {
    /// Keep the descriptors beside this under this name, in place of those that are kept under it already.
    Put(String),
    /// Close what is kept under this name.
    Drop(String),
    /// What became of this process is on disk: no later daemon needs to be told.
    Seen(i32),
    /// Who this daemon is. Since version 2: sent only to a keeper that has said so in [`Ready`].
    Hello(Version),
}

/// From the keeper to the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FromKeeper {
    /// These descriptors are kept under this name.
    Have(String),
    /// That was all that is kept.
    Ready(Ready),
    /// A process that an earlier daemon had started has ended.
    Exited(Exited),
}

/// Which version of these messages a program speaks, and what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// See [`VERSION`].
    pub protocol: u32,
    /// The program's own version, for logs.
    pub build: String,
}

impl Version {
    /// That of this program; none where it speaks version 1, in which nobody said so.
    pub fn ours() -> Option<Self> {
        (VERSION > 1).then(|| Self {
            protocol: VERSION,
            build: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }
}

/// What has happened before this daemon was there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Processes of earlier daemons that have ended, the first to end first, without those that were `Seen`. They may be old,
    /// and the system may have given their numbers away again: compare them with the processes whose descriptors are kept.
    pub orphans: Vec<Exited>,
    /// Who the keeper is. Since version 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
}

/// The end of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exited {
    /// Its number, as it was.
    pub pid: i32,
    /// As wait(2) tells it: see `std::os::unix::process::ExitStatusExt::from_raw`.
    pub status: i32,
}
