//! Which interfaces Shoal knows, and whether a component may have what it imports. Pure: what an interface does is in `capability`.

mod admission;
mod advice;
mod interface;

pub use admission::{Denied, Inadmissible, Reason, admit, admit_parts};
pub use advice::{Grant, Origin, link};
pub use interface::{Ambient, Generation, Interface, KeyValue, Name, Socket, Unknown};
