//! What a component is given, and how a service is made of its components. How it is called is in `call`.

pub(crate) mod admissible;
pub(crate) mod channels;
pub(crate) mod fused;
pub(crate) mod machine;
pub(crate) mod redis;
pub(crate) mod stores;
pub(crate) mod triggers;
pub(crate) mod values;
pub(crate) mod volumes;
