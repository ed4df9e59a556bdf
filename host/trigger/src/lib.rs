//! What starts a request. A trigger takes what comes from outside and hands it to a handler; what a handler does is decided by
//! `service`, and no type of wasmtime is known here.

pub mod event;
pub mod http;
pub mod redis;
pub mod schedule;
