//! What the tests of the chart share: Helm as a process, an installation that is made once, and the comparison of rights with requests.
//! What is proven stands in `tests`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a library for tests alone: what goes wrong here fails the test"
)]

pub mod chart;
pub mod helm;
pub mod installation;
pub mod manifest;
pub mod rights;

pub use helm::helm;
pub use installation::installed;
