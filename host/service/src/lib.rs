//! A `WasmService` in, a running service out: `shoal up`, pods and packs do the same through this library. Where artifacts come
//! from is `artifact`'s business, what a grant gives `capability`'s, how a request arrives `trigger`'s.
//!
//! ```text
//! manifest ── prepare: fetch, admit, compile, load, link ──> Service ── routes ──> trigger
//! request ── admission ── instance (fresh, or used again) ── world: http 0.2, http 0.3, my-service ──> answer
//! ```

mod admissible;
mod admission;
mod channels;
mod code;
mod command;
mod deadline;
mod error;
mod events;
mod exchange;
mod exported;
mod failure;
mod fused;
mod host;
mod id;
mod instances;
mod limits;
mod links;
mod machine;
mod neighbours;
mod pace;
mod pods;
mod prepare;
mod redis;
mod request;
mod resident;
mod resolve;
mod respond;
mod response;
mod runtime;
mod stores;
mod sweeper;
mod triggers;
mod unit;
mod values;
mod volumes;
mod world;

pub use command::{Command, Exit, Program};
pub use error::ServiceError;
pub use host::{Host, HostOptions, Logs, default_policy};
pub use id::ServiceId;
pub use links::Crossing;
pub use neighbours::Neighbourhood;
pub use pods::{Due, PodComponent, PodPart, Pods, Serving};
pub use prepare::{Service, ServiceComponent};
pub use resolve::{Lead, ServiceLink};
pub use runtime::runtime;
pub use stores::StoreError;
pub use triggers::{Triggers, mistakes};
pub use unit::Usage;
pub use values::Objects;

// What an edge (a command, a worker) needs of the crates below, so that it depends on this one alone.
pub use shoal_capability::{
    Denied, Dialer, Folder, Grant, Hold, Line, LogSink, Mount, Origin, Reason, Refusal, RequestId, Room,
    Stream, admit, link_entry, patterns, unused_list,
};
pub use shoal_engine::{EngineError, Exceeded, Fault, PoolOptions};
pub use shoal_trigger::event::{Counts, Failed, Tally};
pub use shoal_trigger::http;
