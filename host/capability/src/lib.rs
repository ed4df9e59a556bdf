//! The host side of WIT interfaces, a module each; a grant decides what gets linked. What a manifest says is not read here
//! (`service` resolves it into [`Grants`]), nor how instances are run (`engine`).
//!
//! ```text
//! Description + Grants ── admit ──> refused by name, with the line that would grant it
//!                      └─ link ───> Linker<State>, with what is imported and granted
//! Grants ── State::new ──> the data of one store, for one instance
//! ```

mod clocks;
mod config;
mod context;
mod early;
mod environment;
mod error;
mod filesystem;
mod grants;
pub mod keyvalue;
mod link;
mod logging;
mod logs;
mod messaging;
mod network;
mod preview1;
mod random;
mod report;
mod secrets;
mod state;
mod stdio;
mod stub;
mod timezone;
mod trace;
mod views;

pub use context::{CallContext, Waiting};
pub use error::CapabilityError;
pub use filesystem::{Folder, Mount};
pub use grants::{Grants, GrantsBuilder};
pub use link::{Import, link};
pub use logs::{Hold, Line, LogSink, RequestId, Room, Stream};
pub use messaging::{Channel, Sending};
pub use network::{
    ClientCertificate, Dialer, LocalDialer, Neighbour, Neighbours, NetworkOptions, PemProblem, Tls, TlsError,
};
pub use preview1::link_module;
pub use shoal_admission::{
    Denied, Grant, Inadmissible, Origin, Reason, Refusal, admit, admit_parts, link as link_entry, patterns,
    stubs, unused_list,
};
pub use shoal_api::Secret;
pub use shoal_network::{Policy, RuleError};
pub use state::{MAX_HANDLES, State, handles_exhausted};
pub use stdio::Stdio;
pub use stub::stub;
pub use trace::{TRACEPARENT, TRACESTATE, Trace};
