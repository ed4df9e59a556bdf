//! Puts the shim on a node and takes it off again: binaries, containerd's configuration, a restart, a pod that shows that it works.
//! The program around it is `main.rs`; which nodes and when is the operator's (`operator/controller`).
//!
//! ```text
//! node        who is here: distribution, containerd, its process
//! config      what containerd's files have to say            pure
//! install     programs → links → configuration → restart → daemon → canary
//! remove      the other way round
//! stages      the journal (`state`) that a killed run is taken up by, and the way back
//! ```
//!
//! Once the program has entered the node's root (`--host-root`), paths are the node's. Readiness is an exec probe,
//! `shoal-installer ready`. docs/installer.md has what changes on a node.

pub mod cache_size;
mod canary;
pub mod config;
mod cri;
pub mod distribution;
pub mod error;
mod files;
pub mod install;
pub mod lock;
mod node;
pub mod options;
pub mod payload;
mod processes;
pub mod remove;
pub mod restart;
pub mod runtime;
mod stages;
mod state;
