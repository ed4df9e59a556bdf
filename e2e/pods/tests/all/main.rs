//! Pods of components on a real cluster, a module for each subject. What they share is in `shoal_pods`. One at a time
//! (`--test-threads 1`): some look at all that a node holds, some kill what all pods of a node depend on.
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
mod lifecycle;
mod links;
mod many;
mod messages;
mod network;
mod refusals;
mod routes;
mod stores;
mod workers;
