//! What a component says of itself: its imports and exports, and the worlds that a host can call it as. Data and functions of data, so
//! that the daemon and its protocol can use them without a compiler, an engine or a runtime. Which imports a component may have is
//! decided in `admission`.

mod description;
mod name;
mod world;

pub use description::{Description, Export, Import, ItemKind, Kind, PartImport, Variant};
pub use name::{MAX_PARTS, Owned, compatible, unversioned};
pub use world::{HANDLES_EVENTS, HANDLES_REQUESTS, World};
