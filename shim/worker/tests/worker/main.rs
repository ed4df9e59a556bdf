//! A real worker, as root, with this test for a daemon.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, which clippy takes for other code"
)]

#[path = "../support/mod.rs"]
mod support;

mod brokers;
mod ends;
mod lives;
mod logs;
mod serves;
mod silent;
mod upgrades;
