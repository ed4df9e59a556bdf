//! What is written down of a pod, a container and a worker, so that the next daemon knows it. That daemon may be a newer one or, after a
//! rollback, an older one: fields may be added, with a default, and none may change its meaning. How records get onto the disk is in
//! `records`; what each released version wrote is in `tests/golden`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shoal_protocol::{Ending, Exit, Task};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

/// A pod.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sandbox {
    pub(crate) id: String,
    /// The pod's namespace.
    pub(crate) namespace: String,
    /// The pod's name.
    pub(crate) name: String,
    /// Its network namespace; none where it uses the node's.
    pub(crate) netns: Option<PathBuf>,
    /// The pod's annotations, where they came with the sandbox; else each container has them.
    pub(crate) annotations: BTreeMap<String, String>,
    /// How names are resolved, as resolv.conf; empty where each container brings it as a file.
    pub(crate) resolv: String,
    pub(crate) created: SystemTime,
    /// When it was stopped.
    pub(crate) stopped: Option<SystemTime>,
}

impl Sandbox {
    /// A pod whose record can't be read: it was stopped, so that containerd ends what is left of it and kubelet makes it anew.
    pub(crate) fn lost(id: &str, content: &Value) -> Self {
        let text = |field: &str| text(content, field);
        Self {
            id: id.to_owned(),
            namespace: text("namespace"),
            name: text("name"),
            netns: content.get("netns").and_then(Value::as_str).map(PathBuf::from),
            annotations: BTreeMap::new(),
            resolv: String::new(),
            created: SystemTime::now(),
            stopped: Some(SystemTime::now()),
        }
    }
}

/// A container, or the pause container that stands for a pod.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Container {
    pub(crate) id: String,
    /// containerd's namespace: `k8s.io`.
    pub(crate) namespace: String,
    pub(crate) bundle: String,
    pub(crate) stdin: String,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// None for a pause container: there is nothing to run.
    #[serde(default, with = "shared")]
    #[cfg_attr(test, schemars(with = "Option<Program>"))]
    pub(crate) program: Option<Arc<Program>>,
    pub(crate) state: State,
    /// The name of the worker that it was given to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) worker: Option<String>,
}

/// A program that is shared in memory is written as if it were not.
mod shared {
    use super::{Arc, Program};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(program: &Option<Arc<Program>>, to: S) -> Result<S::Ok, S::Error> {
        program.as_deref().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Arc<Program>>, D::Error> {
        Ok(Option::<Program>::deserialize(from)?.map(Arc::new))
    }
}

impl Container {
    /// A container whose record can't be read, as far as its end can be told: nobody can say any more what runs in it.
    pub(crate) fn lost(id: &str, content: &Value) -> Self {
        let text = |field: &str| text(content, field);
        let namespace = Some(text("namespace")).filter(|namespace| !namespace.is_empty());
        let state = content.get("state").cloned().unwrap_or_default();
        Self {
            id: id.to_owned(),
            namespace: namespace.unwrap_or_else(|| "k8s.io".to_owned()),
            bundle: text("bundle"),
            stdin: text("stdin"),
            stdout: text("stdout"),
            stderr: text("stderr"),
            program: None,
            state: serde_json::from_value(state).unwrap_or(State::Running),
            worker: None,
        }
    }
}

/// A field of a record that can't be read as a whole; empty where there is none.
fn text(content: &Value, field: &str) -> String {
    let text = content.get(field).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

/// What runs in a container.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Program {
    pub(crate) task: Task,
    /// The compiled file in the cache; none where others have the component in themselves.
    pub(crate) compiled: Option<PathBuf>,
    /// The folders of the volumes that its stores and its directories are on, by the volume's name.
    #[serde(default)]
    pub(crate) volumes: BTreeMap<String, PathBuf>,
    /// Whose files in them it has as its own.
    #[serde(default)]
    pub(crate) owner: Owner,
    /// The pod's id.
    pub(crate) sandbox: String,
    pub(crate) domain: Domain,
    /// Where it listens, if it serves.
    pub(crate) port: u16,
    pub(crate) netns: Option<PathBuf>,
    pub(crate) resolv: String,
    /// The host's file that kubelet reads the termination message from.
    pub(crate) termination_log: Option<PathBuf>,
}

/// The user and the group that a container runs as, as far as files know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Owner {
    pub(crate) user: u32,
    pub(crate) group: u32,
}

/// Where in its life a container is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) enum State {
    Created,
    Running,
    Stopped { exit: Exit, at: SystemTime },
}

impl State {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Stopped { .. } => "stopped",
        }
    }

    /// The end of something that nobody ran or that was killed before it ran.
    pub(crate) fn killed() -> Exit {
        Exit {
            ending: Ending::Killed,
            message: String::new(),
        }
    }
}

/// Whose components share a process.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Domain {
    /// Unique on the node, and fit for a file's name: `ns-default`, `node`, `pod-ID`.
    pub(crate) name: String,
    /// The network namespace that the worker itself is in, for a component that has sockets of its own.
    pub(crate) netns: Option<PathBuf>,
    /// Whether the worker may name and change files: those of directories that its tasks come with.
    #[serde(default)]
    pub(crate) directories: bool,
}

/// A worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct WorkerRecord {
    pub(crate) domain: Domain,
    /// Unique on the node, and larger than those of all earlier workers. 0: of a daemon that did not count.
    #[serde(default)]
    pub(crate) generation: u64,
    pub(crate) pid: i32,
    pub(crate) uid: u32,
    /// The version of the protocol that it speaks: that of the daemon beside which its program was.
    #[serde(default = "first")]
    pub(crate) protocol: u32,
    /// The digest of its program. Empty: of a daemon that did not look.
    #[serde(default)]
    pub(crate) program: String,
}

fn first() -> u32 {
    1
}

impl WorkerRecord {
    /// What its folder, its control group, its record and what is kept for it are named: another name for each worker, since an earlier
    /// one of the domain may still be ending. No domain's name has an underscore.
    pub(crate) fn name(&self) -> String {
        match self.generation {
            0 => self.domain.name.clone(),
            generation => format!("{}_{generation}", self.domain.name),
        }
    }
}

#[cfg(test)]
mod tests;
