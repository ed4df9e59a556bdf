//! What a component is given, and how a service is made of its components. How it is called is in `call`.
//!
//! ```text
//! manifest, pod, options ── Group ──> grants <── Outside: how anything is reached
//!                                       │ grants, triggers
//!                        Supply ──> assembler ──> Service, or what a container runs
//! ```
//!
//! A laptop and a pod differ in their `Supply` and their `Outside`, and in nothing else.

pub(crate) mod admissible;
pub(crate) mod assembler;
pub(crate) mod channels;
pub(crate) mod fields;
pub(crate) mod fused;
pub(crate) mod grants;
pub(crate) mod machine;
pub(crate) mod outside;
pub(crate) mod redis;
pub(crate) mod service;
pub(crate) mod stores;
pub(crate) mod supply;
pub(crate) mod tls;
pub(crate) mod triggers;
pub(crate) mod values;
pub(crate) mod volumes;

#[cfg(test)]
mod tests;
