//! Calls between services of one process. Each has stores, limits and grants of its own; values are copied. What a call does when it
//! arrives is decided by `service`, which also says who is linked to whom; calls within a service are `compose`'s.
//!
//! ```text
//! guest ── import ── Slot ──> Target: a component of another service, today in this process
//!             │        └─ can be pointed elsewhere while calls go on
//!             └─ types were looked at before: only values cross
//! ```

mod call;
mod crossing;
mod import;
mod size;
mod slot;
mod text;

pub use call::{Answer, Call, CallError, CallFailure, MAX_DEPTH, Target};
pub use crossing::{Misfit, Uncrossable, check, fits};
pub use import::{Interface, define, exported, imported};
pub use size::size;
pub use slot::Slot;
