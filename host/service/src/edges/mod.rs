//! Who starts components: a laptop's host, a command, a worker with pods. What they have in common is in `assembly`.

pub(crate) mod command;
pub(crate) mod host;
pub(crate) mod local;
pub(crate) mod outside;
pub(crate) mod pods;
pub(crate) mod runtime;
pub(crate) mod serving;
