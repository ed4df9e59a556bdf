//! A call and its limits: from a request or an event to an answer, for a component of any world. Where the code comes from is in
//! `code`.

pub(crate) mod admission;
pub(crate) mod deadline;
pub(crate) mod events;
pub(crate) mod exchange;
pub(crate) mod failure;
pub(crate) mod limits;
pub(crate) mod pace;
pub(crate) mod request;
pub(crate) mod respond;
pub(crate) mod response;
pub(crate) mod unit;
pub(crate) mod world;
