//! Component to native code, and several components to one. The compiler runs in a child process, `shoal-compile`, with limits on its
//! memory and time, no network and no files; this library is the parent's side and what the two say to each other. Where results are
//! kept is decided by `artifact`.
//!
//! ```text
//! parent ── stdin: the wasm ──> child: limits, seccomp ── parse, compile ──> stdout: report, then native code
//! ```

#[cfg(feature = "cranelift")]
pub mod child;
mod error;
mod output;
mod parent;
mod report;

pub use error::CompileError;
pub use output::{Growth, Space};
pub use parent::{CompileLimits, Compiler, Part};
pub use report::Link;
pub use shoal_description::{Description, Export, Import, ItemKind, Kind, Variant, World};
