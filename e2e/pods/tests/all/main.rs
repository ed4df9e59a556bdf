//! Pods of components on a real cluster, a module for each subject. What they share is in `shoal_pods`. They run side by side
//! (`--test-threads 12`: they wait for kubelets most of the time), each in namespaces of its own; one that looks at all that a node holds,
//! or kills what all pods of a node depend on, is alone by `exclusive()`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests; clippy sees helper functions as something else"
)]

mod command;
mod crashes;
mod directories;
mod endings;
mod images;
mod lifecycle;
mod links;
mod logs;
mod many;
mod messages;
mod network;
mod refusals;
mod routes;
mod stalled;
mod stores;
mod upgrade;
mod workers;
