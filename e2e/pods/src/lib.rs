//! What the tests of pods share: a namespace of Kubernetes for each test, manifests, load, what a node holds. What is proven stands
//! in `tests/all`, a file for each subject.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a library for tests alone: what goes wrong here fails the test"
)]

pub mod guests;
pub mod load;
pub mod lock;
pub mod manifest;
pub mod node;
pub mod programs;
pub mod space;

pub use load::Load;
pub use lock::{exclusive, shared};
pub use shoal_conformance::http;
pub use space::{Space, until};

use shoal_cluster::Cluster;
use std::sync::OnceLock;

/// The cluster that the environment names.
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::from_env().unwrap_or_else(|error| panic!("{error:#}")))
}
