//! What can go wrong on a channel.

use rustix::io::Errno;

/// Why a packet could not be sent or received. After `Closed` and `Io` the channel is of no more use; the others concern one
/// packet.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The descriptor is no channel.
    #[error(
        "the descriptor is not a SOCK_SEQPACKET socket: start this process the way the keeper or the daemon does"
    )]
    NotAChannel,
    /// The other side is gone.
    #[error("the process on the other side of the channel is gone")]
    Closed,
    /// A system call failed.
    #[error("channel: {call}: {source}")]
    Io {
        /// Which call.
        call: &'static str,
        /// The system's reason.
        source: Errno,
    },
    /// More descriptors than a packet can hold.
    #[error("{count} descriptors in one packet, at most {most}: send several packets", most = crate::MAX_FDS)]
    TooManyDescriptors {
        /// How many there were.
        count: usize,
    },
    /// The document is too large.
    #[error("a packet of {bytes} bytes, at most {most}: send several packets", most = crate::MAX_PAYLOAD)]
    TooLarge {
        /// Its size.
        bytes: u64,
    },
    /// The packet did not fit into the buffers of the receiver, which are as large as a packet may be.
    #[error(
        "a packet arrived truncated, or with descriptors that this process had no room for (ulimit -n): it was dropped"
    )]
    Truncated,
    /// The document should have been in a descriptor, and was not.
    #[error("a packet says that its content is in a sealed memfd, but none came with it: it was dropped")]
    NoPayload,
    /// What was to be sent has no JSON.
    #[error("cannot write a packet as JSON: {0}")]
    Encode(#[source] serde_json::Error),
    /// What came is not the JSON that was expected.
    #[error("a packet that is not understood ({0}): are both sides of the same version?")]
    Decode(#[source] serde_json::Error),
}

impl ChannelError {
    /// The error of `call`. A peer that is gone is a case of its own.
    pub(crate) fn of(call: &'static str) -> impl Fn(Errno) -> ChannelError {
        move |source| match source {
            Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN => ChannelError::Closed,
            _ => ChannelError::Io { call, source },
        }
    }
}
