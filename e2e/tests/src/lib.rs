//! What the end-to-end tests share: starting the real `shoal`, speaking HTTP with it, servers for it to reach. What is proven
//! stands in `tests/all`, a file for each subject.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a library for tests alone: what goes wrong here fails the test"
)]

pub mod binaries;
pub mod cache;
pub mod client;
pub mod log;
pub mod manifest;
pub mod outside;
pub mod process;
pub mod raw;
pub use shoal_conformance::redis;
pub mod registry;
pub mod secure;

pub use client::{Answer, Client, get, post};
pub use manifest::{component, service};
pub use process::{Ended, Shoal, Up, run};

use std::time::Duration;

/// How long anything may take before the test gives up. Never a measure of how fast something is.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Waits for `future`, and fails with `what` where it does not end.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(done) => done,
        Err(_) => panic!("{what}: nothing within {PATIENCE:?}"),
    }
}

/// Asks again and again until `question` has an answer.
pub async fn until<T>(what: &str, mut question: impl FnMut() -> Option<T>) -> T {
    within(what, async {
        loop {
            if let Some(answer) = question() {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

/// Allows this process, and those that it starts, as many descriptors as it can get; fails where these are fewer than `needed`.
pub fn raise_descriptors(needed: usize) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let most = getrlimit(Resource::Nofile).maximum;
    let all = Rlimit {
        current: most,
        maximum: most,
    };
    setrlimit(Resource::Nofile, all).expect("raise a soft limit");
    assert!(
        most.is_none_or(|most| most >= needed as u64),
        "`ulimit -Hn` is {most:?}; the test needs {needed}"
    );
}
