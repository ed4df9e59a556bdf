//! What a worker needs to know to run one container.

use serde::{Deserialize, Serialize};
use shoal_api::{Component, Store};
use shoal_compile::Description;
use std::collections::BTreeMap;

/// A container as a component: its artifact was read and compiled, its grants were admitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// The container's id.
    pub id: crate::TaskId,
    /// What logs call it: `NAMESPACE/POD`.
    pub pod: String,
    /// Name, arguments, environment, capabilities and limits, all values resolved; `image` is the reference, for messages.
    pub component: Component,
    /// The name of its compiled file in the folder that is this worker's root: `<hex digest>.cwasm`.
    pub code: String,
    /// The digest of the WebAssembly: `sha256:…`.
    pub digest: String,
    /// What the compiler read from it.
    pub description: Description,
    /// What it is run for.
    pub role: Role,
    /// Values of secrets, by the names that the component asks for.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// The stores of its pod; containers of one pod share them.
    #[serde(default)]
    pub stores: PodStores,
    /// The paths that the pod's components answer together; none where this one answers all of them alone.
    #[serde(default)]
    pub front: Option<Front>,
}

/// The stores of a pod. They are there for as long as one of its containers runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodStores {
    /// The pod's id.
    pub pod: String,
    /// Each with its name.
    pub stores: Vec<Store>,
}

/// How the components of a pod answer together: each listens, and passes a request to whomever it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Front {
    /// The pod's id.
    pub pod: String,
    /// Prefixes of paths, each with the component that answers below it.
    pub routes: Vec<(String, String)>,
}

/// What a container is run for; follows from what its component exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// It answers requests until it is stopped.
    Serve,
    /// It is run once, as `wasi:cli/run`.
    Run,
}
