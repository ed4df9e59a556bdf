//! The launcher and the keeper as processes, with a daemon of the tests' own (`examples/test-daemon.rs`).

#![allow(
    clippy::expect_used,
    reason = "helpers of tests are tests, which clippy cannot see in this folder"
)]

mod keeper;
mod launcher;
mod node;
