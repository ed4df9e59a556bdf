//! A document as bytes: in the packet itself, or in a memfd beside it. Sending and receiving is `channel`'s.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::io::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ChannelError;

/// Descriptors in a packet. The kernel takes 253 (`SCM_MAX_FD`); one may be the document's.
pub const MAX_FDS: usize = 252;
/// Documents up to this size are in the packet itself. A socket's default buffer is 208 KiB, and a packet must fit into it.
pub const MAX_INLINE: usize = 64 * 1024;
/// The largest document.
pub const MAX_PAYLOAD: u64 = 16 * 1024 * 1024;

/// What a packet holds whose document is in its last descriptor. No JSON document looks like this.
const ELSEWHERE: &[u8] = b"@";

/// A document that is ready to be sent, once or several times.
#[derive(Debug)]
pub struct Packet {
    inline: Vec<u8>,
    memfd: Option<OwnedFd>,
}

impl Packet {
    /// Writes `message` down.
    pub fn new<T: Serialize + ?Sized>(message: &T) -> Result<Packet, ChannelError> {
        let json = serde_json::to_vec(message).map_err(ChannelError::Encode)?;
        if json.len() <= MAX_INLINE {
            return Ok(Packet {
                inline: json,
                memfd: None,
            });
        }
        if json.len() as u64 > MAX_PAYLOAD {
            return Err(ChannelError::TooLarge {
                bytes: json.len() as u64,
            });
        }
        Ok(Packet {
            inline: ELSEWHERE.to_vec(),
            memfd: Some(memfd_with(&json)?),
        })
    }

    pub(crate) fn inline(&self) -> &[u8] {
        &self.inline
    }

    pub(crate) fn memfd(&self) -> Option<BorrowedFd<'_>> {
        self.memfd.as_ref().map(AsFd::as_fd)
    }
}

/// Reads the document of a packet that came with `fds`; takes the last of these where the document is in it.
pub(crate) fn decode<T: DeserializeOwned>(inline: &[u8], fds: &mut Vec<OwnedFd>) -> Result<T, ChannelError> {
    if inline != ELSEWHERE {
        return serde_json::from_slice(inline).map_err(ChannelError::Decode);
    }
    let memfd = fds.pop().ok_or(ChannelError::NoPayload)?;
    serde_json::from_slice(&content_of(&memfd)?).map_err(ChannelError::Decode)
}

fn memfd_with(content: &[u8]) -> Result<OwnedFd, ChannelError> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let create = |flags| rustix::fs::memfd_create(c"shoal-packet", flags);
    // Where vm.memfd_noexec is 2 this flag is a must; before Linux 6.3 it is unknown.
    let memfd = match create(flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => create(flags),
        made => made,
    }
    .map_err(ChannelError::of("memfd_create"))?;
    let mut rest = content;
    while !rest.is_empty() {
        let written = rustix::io::retry_on_intr(|| rustix::io::write(&memfd, rest))
            .map_err(ChannelError::of("write"))?;
        rest = rest.get(written..).unwrap_or_default();
    }
    rustix::fs::fcntl_add_seals(&memfd, SEALED).map_err(ChannelError::of("fcntl(F_ADD_SEALS)"))?;
    Ok(memfd)
}

const SEALED: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::WRITE);

/// Only memory has seals: a pipe or a file of some odd filesystem, which could block the reader, fails the first check.
fn content_of(memfd: &OwnedFd) -> Result<Vec<u8>, ChannelError> {
    if !rustix::fs::fcntl_get_seals(memfd).is_ok_and(|seals| seals.contains(SEALED)) {
        return Err(ChannelError::NoPayload);
    }
    let size = rustix::fs::fstat(memfd)
        .map_err(ChannelError::of("fstat"))?
        .st_size;
    let bytes = u64::try_from(size).unwrap_or(u64::MAX);
    if bytes > MAX_PAYLOAD {
        return Err(ChannelError::TooLarge { bytes });
    }
    let mut content = vec![0; usize::try_from(bytes).unwrap_or(0)];
    let mut filled = 0;
    while filled < content.len() {
        let rest = content.get_mut(filled..).unwrap_or_default();
        let read = rustix::io::retry_on_intr(|| rustix::io::pread(memfd, &mut *rest, filled as u64))
            .map_err(ChannelError::of("pread"))?;
        if read == 0 {
            return Err(ChannelError::NoPayload);
        }
        filled += read;
    }
    Ok(content)
}
