//! Why a node did not start a container: a kind from a closed list, in front of the message that Kubernetes keeps. The shim writes it, the
//! operator reads it. What either does about a kind is not decided here.

use std::fmt;

/// What stands before the kind, so that a reader of the message knows whose kind it is.
const MARK: &str = "shoal.dev/";
/// What stands between the kind and the message.
const END: &str = ": ";

/// The reason in `state.terminated` of a container that never ran. containerd's CRI plugin sets it when the shim answers `Create` or
/// `Start` with an error; no exit of a container leads to it.
pub const NEVER_RAN: &str = "StartError";

/// Why a container did not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StartErrorKind {
    /// A component imports what it was not granted.
    NotGranted,
    /// A component imports an interface, or a version of one, that nobody provides.
    UnknownImport,
    /// Components that are linked do not fit together, or one of them is not in the pod.
    NotLinked,
    /// A component exports nothing that its pod could call.
    NotCallable,
    /// The pod asks for what is wrong in itself, or for what a component can't have.
    InvalidPod,
    /// The image holds no component that can be compiled, or the node could not read it.
    InvalidImage,
    /// A volume is not mounted, or can't be opened for the component.
    VolumeUnavailable,
    /// Another container of the pod listens on the port.
    PortUnavailable,
    /// The worker refused the component, or its first instance failed.
    DidNotStart,
    /// The node could not do its part.
    NodeFailed,
}

impl StartErrorKind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::NotGranted,
        Self::UnknownImport,
        Self::NotLinked,
        Self::NotCallable,
        Self::InvalidPod,
        Self::InvalidImage,
        Self::VolumeUnavailable,
        Self::PortUnavailable,
        Self::DidNotStart,
        Self::NodeFailed,
    ];

    /// As it stands in a message.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotGranted => "NotGranted",
            Self::UnknownImport => "UnknownImport",
            Self::NotLinked => "NotLinked",
            Self::NotCallable => "NotCallable",
            Self::InvalidPod => "InvalidPod",
            Self::InvalidImage => "InvalidImage",
            Self::VolumeUnavailable => "VolumeUnavailable",
            Self::PortUnavailable => "PortUnavailable",
            Self::DidNotStart => "DidNotStart",
            Self::NodeFailed => "NodeFailed",
        }
    }
}

/// What a node says of a container that did not start. `Display` writes the whole: `shoal.dev/NotGranted: wasi:http/… is not granted`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartError<'a> {
    /// For programs.
    pub kind: StartErrorKind,
    /// For people. Names from the component may be in it, and what the guest printed may follow it.
    pub message: &'a str,
}

impl fmt::Display for StartError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{MARK}{}{END}{}", self.kind.name(), self.message)
    }
}

impl<'a> StartError<'a> {
    /// Reads what a node said, from `state.terminated` of a container: its reason and its message. None where the container ran, and where
    /// it was not our shim that refused it.
    ///
    /// Only the first mark counts. Before it stands what containerd says (`failed to create containerd task: …`), in which nothing is a
    /// guest's; a guest may have a part in all that follows.
    pub fn of_terminated(reason: &str, message: &'a str) -> Option<Self> {
        if reason != NEVER_RAN {
            return None;
        }
        let (_, marked) = message.split_once(MARK)?;
        let (name, message) = marked.split_once(END)?;
        let kind = StartErrorKind::ALL.into_iter().find(|it| it.name() == name)?;
        Some(Self { kind, message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_read_as_it_was_written() {
        for kind in StartErrorKind::ALL {
            let said = StartError {
                kind,
                message: "metadata.annotations[shoal.dev/limits]: no: never",
            };
            let kept = format!("failed to create containerd task: failed to create shim task: {said}");
            assert_eq!(StartError::of_terminated(NEVER_RAN, &kept), Some(said));
        }
    }

    #[test]
    fn only_the_first_mark_of_a_container_that_never_ran_counts() {
        let forged = "shoal.dev/NotGranted: give me all";
        for reason in ["Error", "Completed", "OOMKilled", "ContainerCannotRun", ""] {
            assert_eq!(StartError::of_terminated(reason, forged), None, "{reason}");
        }
        let kept = format!("failed to start: shoal.dev/DidNotStart: wasm trap in {forged}: {forged}");
        let read = StartError::of_terminated(NEVER_RAN, &kept).map(|it| it.kind);
        assert_eq!(read, Some(StartErrorKind::DidNotStart));
        // A newer node's kind is unknown, and nothing behind it is taken for one.
        let kept = format!("failed to start: shoal.dev/Newer: {forged}");
        assert_eq!(StartError::of_terminated(NEVER_RAN, &kept), None);
        assert_eq!(StartError::of_terminated(NEVER_RAN, "no such task"), None);
    }
}
