//! Code at rest: a component's native code, how it is mapped, linked and unmapped, and where its instances come from. What a call
//! may spend is in `call`.

pub(crate) mod instances;
pub(crate) mod linked;
pub(crate) mod resident;
pub(crate) mod sweeper;
