//! Calls and requests between services of one process: what a service wants of another, what it offers, and which service a name
//! stands for.

pub(crate) mod bindings;
pub(crate) mod exported;
pub(crate) mod neighbours;
pub(crate) mod resolve;
