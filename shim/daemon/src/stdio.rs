//! The pipes in which containerd waits for a container's output.

use crate::error::Error;
use rustix::fs::{Mode, OFlags};
use std::os::fd::OwnedFd;
use std::path::Path;

/// Opens one for writing; `/dev/null` where containerd wants none of it. Opened for reading too, so that a write does not fail while
/// containerd, which reads, is being restarted.
pub(crate) fn open(path: &str) -> Result<OwnedFd, Error> {
    let path = Path::new(if path.is_empty() { "/dev/null" } else { path });
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).map_err(|error| Error::file("open", path)(error.into()))
}
