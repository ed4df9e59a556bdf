//! A `WasmService` in, a running service out: `shoal up`, pods and packs do the same through this library. Where artifacts come
//! from is `artifact`'s business, what a grant gives `capability`'s, how a request arrives `trigger`'s.
//!
//! ```text
//! manifest ── grants ── supply: fetch, admit, compile ── load, link ──> Service ── routes ──> trigger
//! request ── admission ── instance (fresh, or used again) ── world: http 0.2, http 0.3, my-service ──> answer
//!
//! edges ──> assembly ──> call ──> code
//!              └───────> links
//! ```

mod assembly;
mod call;
mod code;
mod edges;
mod error;
mod id;
mod links;

pub use assembly::assembler::{Assembler, Definition};
pub use assembly::outside::{Output, Outside, Owner, StoreFile};
pub use assembly::service::{Service, ServiceComponent};
pub use assembly::stores::StoreError;
pub use assembly::supply::{Admit, Compiled, Supplied, Supply};
pub use assembly::triggers::{Triggers, mistakes};
pub use assembly::values::Objects;
pub use call::unit::Usage;
pub use edges::command::{Command, Exit, Program};
pub use edges::host::{Host, HostOptions, Logs, default_policy};
pub use edges::pods::{PodComponent, PodPart, Pods};
pub use edges::runtime::runtime;
pub use edges::serving::{Due, Serving};
pub use error::ServiceError;
pub use id::ServiceId;
pub use links::bindings::Crossing;
pub use links::neighbours::Neighbourhood;
pub use links::resolve::{Lead, ServiceLink};

// What an edge (a command, a worker) needs of the crates below, so that it depends on this one alone.
pub use shoal_capability::{
    Denied, Dialer, Folder, Grant, Hold, Line, LogSink, Mount, Neighbours, Origin, Reason, Refusal,
    RequestId, Room, Stream, admit, link_entry, patterns, unused_list,
};
pub use shoal_engine::{EngineError, Exceeded, Fault, PoolOptions};
pub use shoal_trigger::event::{Counts, Failed, Tally};
pub use shoal_trigger::http;
