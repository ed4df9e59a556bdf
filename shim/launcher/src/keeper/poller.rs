//! epoll, level-triggered, with a number for each descriptor. Who has which number is `keeper`'s.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;

/// What somebody waits for. Errors and hang-ups are always told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interest {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

/// What has happened to a descriptor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    pub(crate) number: u64,
    /// There is something to read, if only the end.
    pub(crate) readable: bool,
    /// The other side is gone.
    pub(crate) hung_up: bool,
}

/// See above.
#[derive(Debug)]
pub(crate) struct Poller {
    epoll: OwnedFd,
}

const EVENTS: usize = 64;

impl Poller {
    pub(crate) fn new() -> Result<Poller, Errno> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Poller { epoll })
    }

    /// Watches `source` until it is closed or removed.
    pub(crate) fn add(&self, source: impl AsFd, number: u64, interest: Interest) -> Result<(), Errno> {
        epoll::add(&self.epoll, source, EventData::new_u64(number), flags(interest))
    }

    /// Changes what `source` is watched for.
    pub(crate) fn change(&self, source: impl AsFd, number: u64, interest: Interest) -> Result<(), Errno> {
        epoll::modify(&self.epoll, source, EventData::new_u64(number), flags(interest))
    }

    /// Watches `source` no more.
    pub(crate) fn remove(&self, source: impl AsFd) {
        let _ = epoll::delete(&self.epoll, source);
    }

    /// Waits until something happens, or `until`.
    pub(crate) fn wait(&self, until: Option<Instant>) -> Result<Vec<Ready>, Errno> {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        // Rounded up to what old kernels know, so that a timer is not looked at in vain.
        let timeout = left.map(|left| left.min(Duration::from_secs(3600)) + Duration::from_millis(1));
        let timeout = timeout.and_then(|timeout| timeout.try_into().ok());
        let mut space = [MaybeUninit::<Event>::uninit(); EVENTS];
        let events = match epoll::wait(&self.epoll, &mut space, timeout.as_ref()) {
            Ok((events, _)) => events,
            Err(Errno::INTR) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let ready = |event: &Event| {
            let flags = event.flags;
            Ready {
                number: event.data.u64(),
                readable: flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR),
                hung_up: flags.intersects(EventFlags::HUP | EventFlags::ERR),
            }
        };
        Ok(events.iter().map(ready).collect())
    }
}

fn flags(interest: Interest) -> EventFlags {
    let mut flags = EventFlags::empty();
    flags.set(EventFlags::IN, interest.read);
    flags.set(EventFlags::OUT, interest.write);
    flags
}
