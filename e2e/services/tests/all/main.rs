//! The chart on a real cluster, a module for each subject. What they share is in `shoal_services`. They run side by side
//! (`--test-threads 4`); one that changes what is installed for all is alone by `exclusive()`.
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
