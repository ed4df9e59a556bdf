//! A channel for processes that run on tokio. What a packet is, is `channel`'s.

use std::io::{Error, ErrorKind};
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::{Channel, ChannelError, Packet, Received};

/// One end of a channel. Both methods can be cancelled: then nothing was sent, and no packet is lost.
#[derive(Debug)]
pub struct AsyncChannel {
    channel: AsyncFd<Channel>,
}

impl AsyncChannel {
    /// Has tokio watch `channel`; panics outside of a runtime, as all of tokio's sockets do.
    #[allow(unsafe_code, reason = "tokio cannot know that a type keeps its descriptor")]
    pub fn new(channel: Channel) -> Result<AsyncChannel, ChannelError> {
        // SAFETY: a `Channel` owns its descriptor, gives out no other, and closes it when it is dropped.
        let registered = unsafe { AsyncFd::register(channel) };
        let channel = registered.map_err(|error| waiting(error.into()))?;
        Ok(AsyncChannel { channel })
    }

    /// Sends `message` with duplicates of `fds`. Waits while the channel is full.
    pub async fn send<T: Serialize + ?Sized>(
        &self,
        message: &T,
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), ChannelError> {
        let packet = Packet::new(message)?;
        self.ready(Interest::WRITABLE, |channel| {
            Ok(channel.try_send(&packet, fds)?.then_some(()))
        })
        .await
    }

    /// Waits for a packet. None when the other side is gone.
    pub async fn recv<T: DeserializeOwned>(&self) -> Result<Option<(T, Vec<OwnedFd>)>, ChannelError> {
        self.ready(Interest::READABLE, |channel| {
            Ok(match channel.try_recv()? {
                Received::Packet(message, fds) => Some(Some((message, fds))),
                Received::Closed => Some(None),
                Received::Nothing => None,
            })
        })
        .await
    }

    async fn ready<R>(
        &self,
        interest: Interest,
        attempt: impl Fn(&Channel) -> Result<Option<R>, ChannelError>,
    ) -> Result<R, ChannelError> {
        let outcome = self.channel.async_io(interest, |channel| match attempt(channel) {
            Ok(Some(done)) => Ok(Ok(done)),
            Ok(None) => Err(Error::from(ErrorKind::WouldBlock)),
            Err(error) => Ok(Err(error)),
        });
        outcome.await.map_err(waiting)?
    }
}

fn waiting(error: Error) -> ChannelError {
    ChannelError::Io {
        call: "epoll",
        source: Errno::from_io_error(&error).unwrap_or(Errno::IO),
    }
}
