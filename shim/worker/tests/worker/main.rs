//! A real worker, as root, with this test for a daemon.

#[path = "../support/mod.rs"]
mod support;

mod brokers;
mod ends;
mod lives;
mod serves;
