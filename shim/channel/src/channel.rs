//! One end of a channel, and its system calls. How a document becomes bytes is `packet`'s, waiting without blocking a thread
//! is `asynchronous`'s.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, sockopt,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ChannelError;
use crate::packet::{MAX_FDS, MAX_INLINE, Packet, decode};

/// How much may wait in a channel before its sender does. A packet counts with the kernel's overhead.
const SEND_BUFFER: usize = 1024 * 1024;

/// Which descriptor a process finds its end of a channel under, when it was started with one.
pub const INHERITED: RawFd = 3;

/// One end of a channel. Packets are atomic, so threads may share it. Closed when dropped.
#[derive(Debug)]
pub struct Channel {
    socket: OwnedFd,
}

/// What there was, without waiting.
#[derive(Debug)]
pub enum Received<T> {
    /// A packet and its descriptors.
    Packet(T, Vec<OwnedFd>),
    /// Nothing yet.
    Nothing,
    /// The other side is gone, and everything that it had sent was received.
    Closed,
}

impl Channel {
    /// Both ends of a new channel. Neither survives an exec: who starts a process passes one on by duplicating it.
    pub fn pair() -> Result<(Channel, Channel), ChannelError> {
        let (one, other) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(ChannelError::of("socketpair"))?;
        Ok((Channel::new(one), Channel::new(other)))
    }

    /// The end that `socket` is, which a process was started with.
    pub fn from_fd(socket: OwnedFd) -> Result<Channel, ChannelError> {
        if sockopt::socket_type(&socket) != Ok(SocketType::SEQPACKET) {
            return Err(ChannelError::NotAChannel);
        }
        rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)
            .map_err(ChannelError::of("fcntl(F_SETFD)"))?;
        Ok(Channel::new(socket))
    }

    /// The end that this process was started with, as descriptor [`INHERITED`]. To be called once, before anything is opened.
    #[allow(
        unsafe_code,
        reason = "there is no other way to a descriptor that is known by its number alone"
    )]
    pub fn inherited() -> Result<Channel, ChannelError> {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        if TAKEN.swap(true, Ordering::Relaxed) {
            return Err(ChannelError::NotAChannel);
        }
        // SAFETY: a number that is not open is no memory error; the borrow ends with this statement.
        let kind = sockopt::socket_type(unsafe { BorrowedFd::borrow_raw(INHERITED) });
        if kind != Ok(SocketType::SEQPACKET) {
            return Err(ChannelError::NotAChannel);
        }
        // SAFETY: it is open, and nobody else in this process owns it: whoever started us put it there, this is the first call,
        // and nothing else here makes a socket of this kind before it.
        Channel::from_fd(unsafe { OwnedFd::from_raw_fd(INHERITED) })
    }

    fn new(socket: OwnedFd) -> Channel {
        // Root may pass the system's limit (CAP_NET_ADMIN). With less a sender only waits sooner.
        if sockopt::set_socket_send_buffer_size_force(&socket, SEND_BUFFER).is_err() {
            let _ = sockopt::set_socket_send_buffer_size(&socket, SEND_BUFFER);
        }
        Channel { socket }
    }

    /// Sends `message` with duplicates of `fds`. Waits while the channel is full.
    pub fn send<T: Serialize + ?Sized>(
        &self,
        message: &T,
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), ChannelError> {
        self.send_packet(&Packet::new(message)?, fds, SendFlags::empty())?;
        Ok(())
    }

    /// Sends `packet` unless the channel is full: then false.
    pub fn try_send(&self, packet: &Packet, fds: &[BorrowedFd<'_>]) -> Result<bool, ChannelError> {
        self.send_packet(packet, fds, SendFlags::DONTWAIT)
    }

    /// Waits for a packet. None when the other side is gone.
    pub fn recv<T: DeserializeOwned>(&self) -> Result<Option<(T, Vec<OwnedFd>)>, ChannelError> {
        match self.receive(RecvFlags::empty())? {
            Received::Packet(message, fds) => Ok(Some((message, fds))),
            Received::Closed => Ok(None),
            Received::Nothing => Err(ChannelError::Io {
                call: "recvmsg",
                source: Errno::AGAIN,
            }),
        }
    }

    /// A packet, if there is one.
    pub fn try_recv<T: DeserializeOwned>(&self) -> Result<Received<T>, ChannelError> {
        self.receive(RecvFlags::DONTWAIT)
    }

    fn send_packet(
        &self,
        packet: &Packet,
        fds: &[BorrowedFd<'_>],
        flags: SendFlags,
    ) -> Result<bool, ChannelError> {
        if fds.len() > MAX_FDS {
            return Err(ChannelError::TooManyDescriptors { count: fds.len() });
        }
        let all: Vec<BorrowedFd<'_>> = fds.iter().copied().chain(packet.memfd()).collect();
        let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(all.len()))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !all.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&all)) {
            return Err(ChannelError::TooManyDescriptors { count: fds.len() });
        }
        let content = [IoSlice::new(packet.inline())];
        let flags = flags | SendFlags::NOSIGNAL;
        match retry_on_intr(|| rustix::net::sendmsg(&self.socket, &content, &mut control, flags)) {
            Ok(_) => Ok(true),
            Err(Errno::AGAIN) => Ok(false),
            Err(errno) => Err(ChannelError::of("sendmsg")(errno)),
        }
    }

    fn receive<T: DeserializeOwned>(&self, flags: RecvFlags) -> Result<Received<T>, ChannelError> {
        let mut content = vec![0; MAX_INLINE];
        let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS + 1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = flags | RecvFlags::CMSG_CLOEXEC;
        let got = loop {
            let mut into = [IoSliceMut::new(&mut content)];
            match rustix::net::recvmsg(&self.socket, &mut into, &mut control, flags) {
                // The other side closed before it had read everything. The kernel says so once, and before it hands out the
                // packets that are still queued (unix(7), `sk_err`): these count.
                Err(Errno::INTR | Errno::CONNRESET) => {}
                Err(Errno::AGAIN) => return Ok(Received::Nothing),
                Err(errno) => return Err(ChannelError::of("recvmsg")(errno)),
                Ok(got) => break got,
            }
        };
        let mut fds = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
            }
        }
        if got.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
            return Err(ChannelError::Truncated);
        }
        // No packet is empty.
        if got.bytes == 0 {
            return Ok(Received::Closed);
        }
        let message = decode(content.get(..got.bytes).unwrap_or_default(), &mut fds)?;
        Ok(Received::Packet(message, fds))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Channel {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl From<Channel> for OwnedFd {
    fn from(channel: Channel) -> OwnedFd {
        channel.socket
    }
}
