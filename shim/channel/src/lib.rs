//! Packets with descriptors over `SOCK_SEQPACKET`, and what keeper and daemon have in common. What daemon and worker say to
//! each other is theirs.
//!
//! A packet is one JSON document, with up to [`MAX_FDS`] descriptors beside it. The kernel keeps packets apart and in order, and
//! tells when the other side is gone, so there is no framing and no heartbeat. A document over [`MAX_INLINE`] bytes travels in a
//! sealed memfd, which neither caller sees.
//!
//! The other side may be of another version: what it says is received as a [`Message`].
//!
//! The other side may be a worker that a guest has taken over: whatever it sends costs a bounded amount of memory, never blocks,
//! and ends as an error.
//!
//! A process under seccomp needs `sendmsg` and `recvmsg`; for large documents `pread64`, `fstat` and `fcntl` to receive, and
//! `memfd_create`, `write` and `fcntl` to send.

#[cfg(feature = "tokio")]
mod asynchronous;
mod channel;
mod error;
mod message;
pub mod node;
mod packet;
pub mod store;

#[cfg(feature = "tokio")]
pub use asynchronous::AsyncChannel;
pub use channel::{Channel, INHERITED, Received};
pub use error::ChannelError;
pub use message::{Message, kinds};
pub use packet::{MAX_FDS, MAX_INLINE, MAX_PAYLOAD, Packet};
