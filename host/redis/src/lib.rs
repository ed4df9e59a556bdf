//! How a Redis is reached, whoever needs it: TLS, connections that come back by themselves, and where the master is
//! now. What is kept in it is decided in `capability`, what its messages call in `trigger`.
//!
//! ```text
//! URL ── Address ──> Client ── one shared connection per server ── run: a command and its answer
//!                          ├── apart: a connection of one's own, for commands that block
//!                          └── subscriber: a connection that messages arrive by
//! ```

mod backoff;
mod bounded;
mod client;
mod cluster;
mod connect;
mod error;
mod node;
mod sentinel;
mod tls;

pub use backoff::backoff;
pub use client::{Apart, Client, Options};
pub use connect::{Dial, LocalDial};
pub use error::Error;
pub use redis::aio::PubSub;
pub use redis::{Cmd, Msg, RedisError, Value, cmd};
pub use shoal_api::redis::{Address, Topology, UrlError};
