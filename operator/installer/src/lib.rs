//! Puts the shim on a node and takes it off again: binaries, containerd's configuration, a restart, a pod that shows that it works.
//! The program around it is `main.rs`; which nodes and when is the operator's (`operator/controller`).

pub mod config;
pub mod distribution;
pub mod runtime;
