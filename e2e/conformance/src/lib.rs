//! What a service promises wherever it runs. Each suite asks one that runs already, on a laptop or in a pod; who starts it is the
//! test's part. And the real Redis that tests on either side need.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a library for tests alone: what goes wrong here fails the test"
)]

pub mod http;
pub mod redis;
pub mod stores;
