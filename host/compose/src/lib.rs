//! A graph of components into one component, so that calls between them are compiled as calls. Pure: bytes in, bytes out. Where the
//! bytes come from is `artifact`'s business; what a part may import, `admission`'s and `capability`'s.
//!
//! ```text
//! parts (name, wasm, links) ── order: closure, cycles, bounds ── rename: p0-wasi:cli/… ── fuse: who provides what ──> one component
//! ```
//!
//! Each part keeps its own memory: the component model shares none. Each keeps its own imports too. A component has one import of a
//! name, so two parts that import `wasi:cli/environment` would get one and the same, and with it each other's variables. Therefore a
//! part's imports are renamed before it is composed, to names that tell whose they are (see [`Owned`]).

mod bytes;
mod detach;
mod error;
mod fuse;
mod misfit;
mod order;
mod provide;
mod wit;

pub use bytes::{rename, rename_both};
pub use error::ComposeError;
pub use fuse::{Composition, compose};
pub use misfit::Misfit;
pub use order::{Link, Part, order};
pub use shoal_description::{MAX_PARTS, Owned, compatible, unversioned};

/// Changes with what is made of the same parts.
pub const VERSION: u32 = 2;

/// Interfaces of WASI that parts of one component may share, in all their versions: they carry no authority beyond that of the handles that
/// are passed to them, and hold nothing that was granted to anybody.
pub const SHAREABLE: &[&str] = &[
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/types",
    "wasi:clocks/types",
    "wasi:filesystem/types",
    "wasi:http/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:sockets/network",
];

/// Bytes of all parts together; as many as one artifact may have.
pub const MAX_BYTES: usize = 256 << 20;
