//! shoald against fake workers: processes that are none, at the other end of a socket pair, which do what a test says.

mod fake;
mod questions;
mod stuck;
mod upgrade;

pub(crate) use fake::container;
