//! The run-time life of many services in one process: placed, replaced, withdrawn and drained one by one, while the others go on
//! answering. How a service is made from its manifest is `service`'s business; which services there should be is decided by the caller:
//! a command, a worker, a pack.
//!
//! ```text
//! Service ── place / replace ──> registry: who wants what of whom ──> links of this service and of its dependents, no others
//!                            └─> neighbourhood: http://NAME in this process
//!                            └─> its HTTP server and its triggers
//! ```
//!
//! The cost of a change depends on the service and on its dependents, never on how many services there are.

mod error;
mod fleet;
mod member;
mod registry;

pub use error::FleetError;
pub use fleet::{Arrival, Fleet, Withdrawn};
pub use member::Draining;
pub use shoal_service::ServiceId;
