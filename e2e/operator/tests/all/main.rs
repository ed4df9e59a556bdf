//! What the operator promises, on a real cluster, a module for each subject. What they share is in `shoal_operated`. One at a time
//! (`--test-threads 1`): some count what the API server is asked.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests; clippy sees helper functions as something else"
)]

mod autoscale;
mod leadership;
mod many;
mod refusals;
mod rollout;
mod schedule;
