//! Calls and requests between services of one process: what a service wants of another, what it offers, and who is found by its name.

pub(crate) mod bindings;
pub(crate) mod exported;
pub(crate) mod neighbours;
pub(crate) mod resolve;
