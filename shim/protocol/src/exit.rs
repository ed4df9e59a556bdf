//! How a task ended, and the exit code that says so to containerd.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Exit {
    /// In which way.
    pub ending: Ending,
    /// The trap's text, or the limit that was exceeded; empty where it ended well. The pod's termination message.
    pub message: String,
}

/// The ways in which a task can end. Each has an exit code of its own, so that a trap is not taken for a kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Ending {
    /// It returned, or called `exit`, with this code; a service that was stopped has finished what was in flight: 0.
    Completed(u8),
    /// A trap: 134, as of a process that aborts (128 + SIGABRT).
    Trap,
    /// `limits.requestTimeout` or `limits.cpuTime` was exceeded: 124, as of timeout(1).
    Deadline,
    /// `limits.memory` was exceeded: 137, and containerd is told of an OOM kill.
    OutOfMemory,
    /// It was killed: 137 (128 + SIGKILL).
    Killed,
    /// Its worker died: 139 (128 + SIGSEGV), whatever killed it.
    WorkerDied,
    /// A way that this version does not know; a newer one wrote it. Ways that are added have no fields, so that they can be read here. 255.
    #[serde(other)]
    Unknown,
}

impl Ending {
    /// The exit code that containerd, and `kubectl describe`, show.
    pub fn code(self) -> u8 {
        match self {
            Self::Completed(code) => code,
            Self::Trap => 134,
            Self::Deadline => 124,
            Self::OutOfMemory | Self::Killed => 137,
            Self::WorkerDied => 139,
            Self::Unknown => 255,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_kill_and_no_memory_look_alike() {
        let endings = [
            Ending::Completed(0),
            Ending::Trap,
            Ending::Deadline,
            Ending::Killed,
            Ending::WorkerDied,
            Ending::Unknown,
        ];
        let mut codes: Vec<_> = endings.map(Ending::code).to_vec();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), endings.len());
        assert_eq!(Ending::OutOfMemory.code(), Ending::Killed.code());
    }
}
