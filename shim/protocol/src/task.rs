//! What a worker needs to know to run one container.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shoal_api::pod::Values;
use shoal_api::{Component, FilesystemGrant, HttpTrigger, Store, Trigger};
use shoal_description::Description;

/// A container as a component: its artifact was read and compiled, its grants were admitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// The container's id.
    pub id: crate::TaskId,
    /// What logs call it: `NAMESPACE/POD`.
    pub pod: String,
    /// Name, arguments, environment, capabilities and limits; `image` is the reference, for messages.
    pub component: Component,
    /// The name of its compiled file in the folder that is this worker's root: `<hex digest>.cwasm`. Empty where nothing is run
    /// ([`Role::Part`]).
    pub code: String,
    /// The digest of the WebAssembly: `sha256:…`.
    pub digest: String,
    /// What the compiler read from it.
    #[schemars(skip)]
    pub description: Description,
    /// What it is run for.
    pub role: Role,
    /// The pod's id: its containers share its stores and its port.
    #[serde(default)]
    pub sandbox: String,
    /// Namespace and name of the service that the pod is a replica of; without a name where the pod does not say.
    #[serde(default)]
    pub service: (String, String),
    /// What its grants, stores and triggers refer to.
    #[serde(default)]
    #[schemars(skip)]
    pub values: Values,
    /// The stores that it is granted; containers of one pod share them. They are there for as long as one of these runs.
    #[serde(default)]
    pub stores: Vec<Store>,
    /// The Redis triggers that call it.
    #[serde(default)]
    pub triggers: Vec<Trigger>,
    /// Those that it is linked to, and that are in its code: the others of its pod, in the order of their places from 1 on.
    #[serde(default)]
    pub parts: Vec<TaskPart>,
    /// The paths that the pod's components answer together: prefixes, each with the component that answers below it. Each of these
    /// listens, and passes a request to whomever it is for. None where this one answers all of them alone.
    #[serde(default)]
    pub front: Option<Vec<(String, String)>>,
    /// The HTTP triggers that these paths are of, in the same order. Fewer, or none, where the daemon knows paths alone: prefixes then.
    #[serde(default)]
    pub http: Vec<HttpTrigger>,
}

impl Task {
    /// Those of its stores and of its parts' that are a file, which comes with it as a descriptor: the store's name and that of its volume,
    /// in the order of the descriptors.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        let parts = self.parts.iter().flat_map(|part| &part.stores);
        let files = self.stores.iter().chain(parts);
        files.filter_map(|it| Some((it.name.as_str(), it.persistent.as_ref()?.volume.as_str())))
    }

    /// The directories that its component and its parts' are granted, each of which comes with it as a descriptor: in the order of the
    /// components, after the files of stores.
    pub fn directories(&self) -> impl Iterator<Item = &FilesystemGrant> {
        let parts = self.parts.iter().map(|part| &part.component);
        let components = std::iter::once(&self.component).chain(parts);
        components.flat_map(|it| &it.capabilities.filesystem)
    }
}

/// A container whose component is in another one's code. It keeps its own grants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskPart {
    /// The container's id: what its component asks for is asked in its name, and what it prints goes to its log.
    pub id: crate::TaskId,
    /// As of a task.
    pub component: Component,
    /// As of a task.
    #[schemars(skip)]
    pub values: Values,
    /// As of a task.
    pub stores: Vec<Store>,
}

/// What a container is run for; follows from what its component exports and from what calls it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// It answers requests, and handles messages where it has triggers, until it is stopped.
    Serve,
    /// It handles messages until it is stopped.
    Handle,
    /// It is run once, as `wasi:cli/run`.
    Run,
    /// Others of its pod have it in themselves. It runs nothing, and lends its log.
    Part,
    /// It is called once, for a point in time.
    Due {
        /// The name of the schedule's trigger.
        trigger: String,
    },
}

impl Role {
    /// Whether it ends by itself.
    pub fn ends(&self) -> bool {
        matches!(self, Self::Run | Self::Due { .. })
    }
}
