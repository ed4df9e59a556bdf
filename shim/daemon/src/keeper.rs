//! The keeper's store, as a daemon uses it: descriptors that outlive us. The keeper itself is in `shim/launcher`.

use shoal_channel::store::{Exited, FromKeeper, ToKeeper, Version};
use shoal_channel::{AsyncChannel, Channel, ChannelError, Message};
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The store.
pub(crate) struct Keeper {
    channel: AsyncChannel,
}

/// What an earlier daemon left.
#[derive(Default)]
pub(crate) struct Left {
    pub(crate) kept: HashMap<String, Vec<OwnedFd>>,
    pub(crate) exited: Vec<Exited>,
}

impl Keeper {
    /// The keeper that started us, and all it holds.
    pub(crate) async fn inherited() -> Result<(Self, Left), ChannelError> {
        let channel = AsyncChannel::new(Channel::inherited()?)?;
        let keeper = Self { channel };
        let mut left = Left::default();
        while let Some((message, fds)) = keeper.recv().await? {
            match message {
                FromKeeper::Have(name) => {
                    left.kept.insert(name, fds);
                }
                FromKeeper::Exited(exited) => left.exited.push(exited),
                FromKeeper::Ready(ready) => {
                    left.exited.extend(ready.orphans);
                    // One that says no version is older than the greeting.
                    if let (Some(_), Some(ours)) = (ready.version, Version::ours()) {
                        keeper.channel.send(&ToKeeper::Hello(ours), &[]).await?;
                    }
                    break;
                }
            }
        }
        Ok((keeper, left))
    }

    /// What it says next, and we understand: it may be of a newer version.
    async fn recv(&self) -> Result<Option<(FromKeeper, Vec<OwnedFd>)>, ChannelError> {
        loop {
            match self.channel.recv::<Message<FromKeeper>>().await? {
                None => return Ok(None),
                Some((Message::Known(message), fds)) => return Ok(Some((message, fds))),
                Some((Message::Unknown { kind }, _)) => {
                    tracing::warn!(kind, "the keeper says what this version does not know: skipped");
                }
                Some((Message::Unreadable { kind, error, .. }, _)) => {
                    tracing::error!(kind, "the keeper says what this version can't read: {error}");
                }
            }
        }
    }

    /// One that nobody reads from.
    #[cfg(test)]
    pub(crate) fn over(channel: AsyncChannel) -> Self {
        Self { channel }
    }

    /// Keeps descriptors under a name.
    pub(crate) async fn put(&self, name: &str, fds: &[&OwnedFd]) -> Result<(), ChannelError> {
        let fds: Vec<BorrowedFd<'_>> = fds.iter().map(|fd| fd.as_fd()).collect();
        self.channel.send(&ToKeeper::Put(name.to_owned()), &fds).await
    }

    /// Closes what is kept under a name.
    pub(crate) async fn forget(&self, name: &str) {
        if let Err(error) = self.channel.send(&ToKeeper::Drop(name.to_owned()), &[]).await {
            tracing::error!("the keeper cannot be reached: {error}");
        }
    }

    /// The end of a process that an earlier daemon started; none when the keeper is gone.
    pub(crate) async fn next(&self) -> Option<Exited> {
        loop {
            match self.recv().await {
                Ok(Some((FromKeeper::Exited(exited), _))) => {
                    let _ = self.channel.send(&ToKeeper::Seen(exited.pid), &[]).await;
                    return Some(exited);
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return None,
            }
        }
    }
}
