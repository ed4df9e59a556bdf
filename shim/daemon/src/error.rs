//! What can go wrong with a pod, in words for its events: what was wrong and what to do. And the code that containerd goes by.

use shoal_admission::{Denied, Refusal};
use shoal_api::Problem;
use shoal_api::pod::{StartError, StartErrorKind};
use shoal_artifact::ArtifactError;
use shoal_description::{HANDLES_REQUESTS, World};
use std::io;
use std::path::{Path, PathBuf};

/// Why a request could not be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{kind} {id} is not known")]
    NotFound { kind: &'static str, id: String },
    #[error("{kind} {id} exists already")]
    Exists { kind: &'static str, id: String },
    #[error("container {id} is {state}, so it cannot be {wanted}")]
    State {
        id: String,
        state: &'static str,
        wanted: &'static str,
    },
    #[error("{what} is not supported: {why}")]
    Unsupported { what: &'static str, why: &'static str },
    #[error("cannot read {path}: {source}", path = path.display())]
    Bundle {
        path: PathBuf,
        source: oci_spec::OciSpecError,
    },
    #[error("cannot {action} {path}: {source}", path = path.display())]
    File {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{}", list(.0))]
    Problems(Vec<Problem>),
    #[error("the image's reference is missing from {}: is it a container of Kubernetes?", .0.display())]
    NoImage(PathBuf),
    #[error("image {image}: {source}")]
    Artifact { image: String, source: ArtifactError },
    #[error("image {image}: containerd's store: {reason}")]
    Store { image: String, reason: String },
    #[error("containerd cannot be reached at {address}: {reason}")]
    Containerd { address: String, reason: String },
    #[error("{}", Refusal { component, denied }.in_one_line())]
    Denied { component: String, denied: Vec<Denied> },
    #[error(
        "component {component} exports {exports}: a container needs {HANDLES_REQUESTS} to serve, or {command} to run once",
        command = World::Command.export()
    )]
    Exports { component: String, exports: String },
    #[error("cannot listen on port {port} in the pod's network: {source}")]
    Listen { port: u16, source: io::Error },
    #[error(
        "component {0} has sockets of its own (capabilities.network with wasi:sockets), and a pod whose paths several components \
         answer can't hold such a one yet: make it a service of its own"
    )]
    SocketsBesideOthers(String),
    #[error(
        "the pod mounts no volume at {path}, where the volume {volume} is looked for: add a volumeMount of it to the container"
    )]
    NoVolume { volume: String, path: String },
    #[error(
        "the file system of one of the pod's volumes has not answered for {seconds} s: see whether its server is there and can be reached \
         from the node"
    )]
    VolumeTimeout { seconds: u64 },
    #[error(
        "the file systems of the pod's volumes have left {waiting} requests unanswered: see whether their servers are there and can be \
         reached from the node"
    )]
    VolumesHang { waiting: usize },
    #[error("cannot start a thread for the pod's volumes: {0}")]
    VolumeThread(io::Error),
    #[error("store {store}: cannot open {path}, which must be a plain file of one name: {source}", path = path.display())]
    Storage {
        store: String,
        path: PathBuf,
        source: io::Error,
    },
    #[error("volume {volume}: cannot open {path}: {source}", path = path.display())]
    Directory {
        volume: String,
        path: PathBuf,
        source: io::Error,
    },
    #[error(
        "volume {volume}: its users can't be mapped to the component's, which a directory that is written to needs: {source} (Linux \
         5.12 or later and a file system that can, such as ext4, xfs or btrfs; memory from 6.3 on; NFS can't): grant it readOnly: true"
    )]
    Users { volume: String, source: io::Error },
    #[error(
        "{0} (the containers that a component is linked to have to be started before its own: list them first)"
    )]
    Unlinked(ArtifactError),
    #[error("{reason}")]
    DidNotStart { reason: String },
    #[error("the worker of {domain}: {reason}")]
    Worker { domain: String, reason: String },
    #[error("{0}")]
    Compiler(#[from] shoal_compile::CompileError),
    #[error("the options of sandbox {id} are no PodSandboxConfig: {source}")]
    Options { id: String, source: prost::DecodeError },
}

fn list<T: ToString>(items: &[T]) -> String {
    let items: Vec<_> = items.iter().map(ToString::to_string).collect();
    items.join("; ")
}

impl Error {
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }

    /// The code of gRPC, which ttrpc takes over.
    fn code(&self) -> ttrpc::Code {
        match self {
            Self::NotFound { .. } => ttrpc::Code::NOT_FOUND,
            Self::Exists { .. } => ttrpc::Code::ALREADY_EXISTS,
            Self::State { .. } => ttrpc::Code::FAILED_PRECONDITION,
            Self::Unsupported { .. } => ttrpc::Code::UNIMPLEMENTED,
            Self::Problems(_) | Self::NoImage(_) | Self::NoVolume { .. } | Self::Options { .. } => {
                ttrpc::Code::INVALID_ARGUMENT
            }
            Self::Denied { .. } => ttrpc::Code::PERMISSION_DENIED,
            _ => ttrpc::Code::UNKNOWN,
        }
    }

    /// What the operator is told of a container that this kept from starting.
    fn start_error_kind(&self) -> StartErrorKind {
        match self {
            Self::Denied { denied, .. } if denied.iter().any(|it| it.reason.is_not_granted()) => {
                StartErrorKind::NotGranted
            }
            Self::Denied { .. } => StartErrorKind::UnknownImport,
            Self::Unlinked(source) if matches!(source.root(), ArtifactError::Unfit { .. }) => {
                StartErrorKind::NotLinked
            }
            Self::Exports { .. } => StartErrorKind::NotCallable,
            Self::Problems(_) | Self::SocketsBesideOthers(_) | Self::Unsupported { .. } => {
                StartErrorKind::InvalidPod
            }
            Self::Artifact { .. } | Self::Unlinked(_) | Self::Compiler(_) => StartErrorKind::InvalidImage,
            Self::NoVolume { .. }
            | Self::Storage { .. }
            | Self::Directory { .. }
            | Self::Users { .. }
            | Self::VolumeTimeout { .. }
            | Self::VolumesHang { .. }
            | Self::VolumeThread(_) => StartErrorKind::VolumeUnavailable,
            Self::Listen { .. } => StartErrorKind::PortUnavailable,
            Self::DidNotStart { .. } => StartErrorKind::DidNotStart,
            Self::NotFound { .. }
            | Self::Exists { .. }
            | Self::State { .. }
            | Self::Bundle { .. }
            | Self::File { .. }
            | Self::NoImage(_)
            | Self::Store { .. }
            | Self::Containerd { .. }
            | Self::Worker { .. }
            | Self::Options { .. } => StartErrorKind::NodeFailed,
        }
    }

    /// The answer to `Create` and `Start`, with the kind in front: kubelet keeps it as the message of a container that never ran.
    pub(crate) fn of_start(self) -> ttrpc::Error {
        let message = self.to_string();
        let said = StartError {
            kind: self.start_error_kind(),
            message: &message,
        };
        ttrpc::Error::RpcStatus(ttrpc::get_status(self.code(), said))
    }
}

use containerd_shim_protos::ttrpc;

impl From<Error> for ttrpc::Error {
    fn from(error: Error) -> Self {
        Self::RpcStatus(ttrpc::get_status(error.code(), error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shoal_api::pod::NEVER_RAN;

    fn kept(error: Error) -> String {
        match error.of_start() {
            ttrpc::Error::RpcStatus(status) => status.message().to_owned(),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn what_a_worker_says_is_no_kind() {
        let reason = "wasm trap in shoal.dev/NotGranted: a is not granted; to grant it: b".to_owned();
        let kept = kept(Error::DidNotStart { reason });
        let read = StartError::of_terminated(NEVER_RAN, &kept).map(|it| it.kind);
        assert_eq!(read, Some(StartErrorKind::DidNotStart));
    }

    #[test]
    fn a_denial_is_told_from_an_import_that_nobody_provides() {
        let denied = |imports: &[&str]| {
            let origin = shoal_admission::Origin::Manifest(0);
            let imports = imports.iter().copied();
            let denied = shoal_admission::admit(imports, &shoal_api::Component::default(), &origin);
            Error::Denied {
                component: "web".to_owned(),
                denied: denied.expect_err("it imports something"),
            }
        };
        for (imports, kind) in [
            (&["acme:auth/check@1.0.0"][..], StartErrorKind::UnknownImport),
            (&["wasi:http/outgoing-handler@0.2.6"], StartErrorKind::NotGranted),
            (
                &["acme:auth/check@1.0.0", "wasi:sockets/tcp@0.2.6"],
                StartErrorKind::NotGranted,
            ),
        ] {
            let kept = kept(denied(imports));
            let read = StartError::of_terminated(NEVER_RAN, &kept).expect("a kind");
            assert_eq!(read.kind, kind);
            assert!(imports.iter().all(|it| read.message.contains(it)), "{kept}");
        }
    }
}
