//! What a component is given, and how a service is made of its components. How it is called is in `call`.
//!
//! ```text
//! manifest, or pod ── Order ──> furnish <── Outside: how anything is reached
//!                                  │ grants, triggers
//!                     Supply ──> assembler ──> Service, or what a container runs
//! ```
//!
//! The traits `Supply` and `Outside` are all that differs between a laptop, a pod and whoever comes next.

pub(crate) mod assembler;
pub(crate) mod channels;
pub(crate) mod fields;
pub(crate) mod furnish;
pub(crate) mod fused;
pub(crate) mod machine;
pub(crate) mod outside;
pub(crate) mod redis;
pub(crate) mod service;
pub(crate) mod stores;
pub(crate) mod supply;
pub(crate) mod triggers;
pub(crate) mod values;
pub(crate) mod volumes;

#[cfg(test)]
mod tests;
