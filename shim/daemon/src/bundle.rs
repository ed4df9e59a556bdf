//! What containerd wrote into a bundle's `config.json` (OCI runtime specification 1.2), as far as a component has use for it. Pure.

use crate::error::Error;
use crate::record::Owner;
use oci_spec::runtime::{LinuxNamespaceType, Spec};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Annotations that containerd's CRI plugin sets (`internal/cri/annotations`).
mod cri {
    pub(super) const CONTAINER_TYPE: &str = "io.kubernetes.cri.container-type";
    pub(super) const SANDBOX_ID: &str = "io.kubernetes.cri.sandbox-id";
    pub(super) const SANDBOX_NAME: &str = "io.kubernetes.cri.sandbox-name";
    pub(super) const SANDBOX_NAMESPACE: &str = "io.kubernetes.cri.sandbox-namespace";
    pub(super) const CONTAINER_NAME: &str = "io.kubernetes.cri.container-name";
    pub(super) const IMAGE_NAME: &str = "io.kubernetes.cri.image-name";
}

/// The annotation in which kubelet keeps a container's ports; let through by `container_annotations` of the runtime's
/// configuration.
const PORTS: &str = "io.kubernetes.container.ports";

/// The port of a component whose container names none.
const DEFAULT_PORT: u16 = 8080;

/// A bundle's configuration.
pub(crate) struct Bundle {
    spec: Spec,
    annotations: BTreeMap<String, String>,
}

/// Without its specification, which has variables in it that kubelet has filled in from Secrets.
impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bundle")
            .field("annotations", &self.annotations)
            .finish_non_exhaustive()
    }
}

/// What a bundle is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The pause container of a pod.
    Sandbox,
    /// A container of a pod, or of no pod, as `ctr run` makes it.
    Container,
}

/// A container's port, as kubelet writes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Port {
    #[serde(default)]
    name: String,
    container_port: u16,
    #[serde(default)]
    protocol: String,
}

impl From<Spec> for Bundle {
    fn from(spec: Spec) -> Self {
        let annotations = spec.annotations().iter().flatten();
        let annotations = annotations.map(|(key, value)| (key.clone(), value.clone()));
        Self {
            annotations: annotations.collect(),
            spec,
        }
    }
}

impl Bundle {
    /// Reads the configuration of the bundle at `path`.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let file = path.join("config.json");
        let spec = Spec::load(&file).map_err(|source| Error::Bundle { path: file, source })?;
        Ok(Self::from(spec))
    }

    fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.get(name).map(String::as_str)
    }

    pub(crate) fn annotations(&self) -> &BTreeMap<String, String> {
        &self.annotations
    }

    pub(crate) fn kind(&self) -> Kind {
        match self.annotation(cri::CONTAINER_TYPE) {
            Some("sandbox") => Kind::Sandbox,
            _ => Kind::Container,
        }
    }

    /// The pod's id; a container of no pod is its own.
    pub(crate) fn sandbox_id(&self) -> Option<&str> {
        self.annotation(cri::SANDBOX_ID)
    }

    pub(crate) fn namespace(&self) -> &str {
        self.annotation(cri::SANDBOX_NAMESPACE).unwrap_or("default")
    }

    pub(crate) fn pod_name(&self) -> Option<&str> {
        self.annotation(cri::SANDBOX_NAME)
    }

    pub(crate) fn container_name(&self) -> Option<&str> {
        self.annotation(cri::CONTAINER_NAME)
    }

    pub(crate) fn image(&self) -> Option<&str> {
        self.annotation(cri::IMAGE_NAME)
    }

    /// The path of the network namespace; none where the pod uses the host's.
    pub(crate) fn netns(&self) -> Option<PathBuf> {
        let namespaces = self.spec.linux().as_ref()?.namespaces().as_ref()?;
        let network = namespaces
            .iter()
            .find(|namespace| namespace.typ() == LinuxNamespaceType::Network)?;
        network.path().clone()
    }

    /// Arguments without the program's name, which is the image's entry point and means nothing to a component.
    pub(crate) fn args(&self) -> Vec<String> {
        let process = self.spec.process().as_ref();
        let args = process.and_then(|process| process.args().as_ref());
        args.into_iter().flatten().skip(1).cloned().collect()
    }

    pub(crate) fn env(&self) -> Vec<(String, String)> {
        let process = self.spec.process().as_ref();
        let env = process.and_then(|process| process.env().as_ref());
        env.into_iter()
            .flatten()
            .filter_map(|entry| entry.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// `resources.limits.memory` in bytes.
    pub(crate) fn memory(&self) -> Option<u64> {
        let resources = self.spec.linux().as_ref()?.resources().as_ref()?;
        let limit = resources.memory().as_ref()?.limit()?;
        u64::try_from(limit).ok().filter(|limit| *limit > 0)
    }

    /// The host's file behind a path in the container.
    pub(crate) fn mount(&self, destination: &str) -> Option<PathBuf> {
        let mounts = self.spec.mounts().iter().flatten();
        mounts
            .into_iter()
            .find(|mount| mount.destination() == Path::new(destination))
            .and_then(|mount| mount.source().clone())
    }

    /// Whether the mount at `destination` may only be read.
    pub(crate) fn is_read_only(&self, destination: &str) -> bool {
        let mounts = self.spec.mounts().iter().flatten();
        let mut mounts = mounts.filter(|mount| mount.destination() == Path::new(destination));
        let read_only = |option: &String| ["ro", "rro"].contains(&option.as_str());
        mounts.any(|mount| mount.options().iter().flatten().any(read_only))
    }

    /// Whose files it has as its own: those of its user, and of its first group beside root's, which is `fsGroup` where the pod has one.
    pub(crate) fn owner(&self) -> Owner {
        let Some(user) = self.spec.process().as_ref().map(|process| process.user()) else {
            return Owner::default();
        };
        let groups = user.additional_gids().iter().flatten().copied();
        let mut groups = groups.filter(|group| *group != 0 && *group != user.gid());
        Owner {
            user: user.uid(),
            group: groups.next().unwrap_or(user.gid()),
        }
    }

    /// The port that a component is to answer HTTP on: the one that is called `http`, or the first of TCP.
    pub(crate) fn port(&self) -> u16 {
        let Some(text) = self.annotation(PORTS) else {
            return DEFAULT_PORT;
        };
        let ports: Vec<Port> = serde_json::from_str(text).unwrap_or_default();
        let tcp = || {
            ports
                .iter()
                .filter(|port| matches!(port.protocol.as_str(), "" | "TCP"))
        };
        let named = tcp().find(|port| port.name == "http");
        named
            .or_else(|| tcp().next())
            .map_or(DEFAULT_PORT, |port| port.container_port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(json: serde_json::Value) -> Bundle {
        Bundle::from(serde_json::from_value::<Spec>(json).unwrap())
    }

    #[test]
    fn what_a_component_has_use_for() {
        let bundle = bundle(serde_json::json!({
            "ociVersion": "1.2.0",
            "process": {
                "args": ["/hello.wasm", "-v"], "env": ["A=1", "B=c=d"], "cwd": "/",
                "user": {"uid": 0, "gid": 0},
            },
            "annotations": {
                "io.kubernetes.cri.container-type": "container",
                "io.kubernetes.cri.sandbox-id": "pod",
                "io.kubernetes.container.ports":
                    "[{\"containerPort\":53,\"protocol\":\"UDP\"},{\"containerPort\":81,\"protocol\":\"TCP\"},{\"name\":\"http\",\"containerPort\":80,\"protocol\":\"TCP\"}]",
            },
            "mounts": [{"destination": "/dev/termination-log", "source": "/host/log"}],
            "linux": {
                "resources": {"memory": {"limit": 1024}},
                "namespaces": [{"type": "network", "path": "/proc/1/ns/net"}],
            },
        }));
        assert_eq!(bundle.kind(), Kind::Container);
        assert_eq!(bundle.sandbox_id(), Some("pod"));
        assert_eq!(bundle.args(), ["-v"]);
        assert_eq!(bundle.env()[1], ("B".to_owned(), "c=d".to_owned()));
        assert_eq!(bundle.port(), 80);
        assert_eq!(bundle.memory(), Some(1024));
        assert_eq!(bundle.mount("/dev/termination-log"), Some("/host/log".into()));
        assert_eq!(bundle.netns(), Some("/proc/1/ns/net".into()));
    }

    #[test]
    fn a_container_that_names_no_port_has_one() {
        assert_eq!(
            bundle(serde_json::json!({"ociVersion": "1.2.0"})).port(),
            DEFAULT_PORT
        );
    }
}
