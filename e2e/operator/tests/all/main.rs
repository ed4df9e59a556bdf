//! What the operator promises, on a real cluster, a module for each subject. What they share is in `shoal_operated`. They run side by
//! side (`--test-threads 12`), each with an operator of its own, which has a way of its own to the API server and looks after the
//! test's namespaces alone. One that loads the whole cluster is alone by `exclusive()`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests; clippy sees helper functions as something else"
)]

mod autoscale;
mod everyday;
mod imitations;
mod leadership;
mod many;
mod refusals;
mod rollout;
mod schedule;
