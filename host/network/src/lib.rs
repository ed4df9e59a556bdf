//! Where connections may go: rules, ranges of addresses, names. Pure: who resolves and connects asks here first, be it the process
//! that runs guests or the one that makes sockets for it.

mod name;
mod pattern;
mod policy;
mod ranges;

pub use name::HostName;
pub use pattern::HostPattern;
pub use policy::{Policy, Refusal, RuleError, Service};
pub use ranges::Net;
