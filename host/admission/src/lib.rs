//! Which interfaces Shoal knows, and whether a component may have what it imports. Pure: what an interface does is in `capability`.

mod admission;
mod advice;
mod interface;
mod refusal;
mod unused;

pub use admission::{Denied, Inadmissible, Reason, admit, admit_parts};
pub use advice::{Grant, Origin, link, unused_list};
pub use interface::{Ambient, Draft, Generation, Interface, KeyValue, Name, Socket, Unknown};
pub use refusal::{Refusal, patterns};
pub use unused::stubs;
