//! Pulls and pushes against Debian's docker-registry, and against registries that misbehave.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests; clippy sees helper functions as something else"
)]

mod astray;
mod concurrent;
mod crash;
mod formats;
mod hostile;
mod login;
mod room;
mod support;
