//! The chart on a real cluster, a module for each subject. What they share is in `shoal_services`. One at a time (`--test-threads 1`):
//! some change what is installed for all.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests; clippy sees helper functions as something else"
)]

mod examples;
mod install;
mod objects;
mod rbac;
mod variants;
