//! The keeper's stream sockets: none of them ever blocks. What is said over them is `exchange`'s.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect,
    listen, recv, send, socket_with,
};

use super::outbox::Outbox;

/// Connections that may wait to be accepted: more than containerd opens at once. The kernel has a limit of its own (somaxconn).
const BACKLOG: i32 = 4096;

fn socket() -> Result<OwnedFd, Errno> {
    socket_with(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None)
}

const FLAGS: SocketFlags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);

/// Listens at `path`. The folder around it decides who may connect.
pub(crate) fn listen_at(path: &Path) -> Result<OwnedFd, Errno> {
    let socket = socket()?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::fs::chmod(path, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)?;
    listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// Connects to `path`. A local connection is there at once, or not: the error says that nobody listens, or that too many wait.
pub(crate) fn connect_to(path: &Path) -> Result<OwnedFd, Errno> {
    let socket = socket()?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

/// The next connection. None when there is no more.
pub(crate) fn accept(listener: &OwnedFd) -> Result<Option<OwnedFd>, Errno> {
    match accept_with(listener, FLAGS) {
        Ok(socket) => Ok(Some(socket)),
        // As accept(2) says, one that was broken off before it was accepted is told here.
        Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a socket has to say.
pub(crate) enum Heard {
    /// This many bytes.
    Bytes(usize),
    /// Nothing yet.
    Nothing,
    /// Nothing, and never again.
    End,
}

/// Reads into `buffer`.
pub(crate) fn hear(socket: impl AsFd, buffer: &mut [u8]) -> Heard {
    match retry_on_intr(|| recv(&socket, &mut *buffer, RecvFlags::DONTWAIT)) {
        Ok((0, _)) => Heard::End,
        Ok((count, _)) => Heard::Bytes(count),
        Err(Errno::AGAIN) => Heard::Nothing,
        Err(_) => Heard::End,
    }
}

/// Writes what the socket takes. An error means that the other side is gone.
pub(crate) fn flush(socket: impl AsFd, outbox: &mut Outbox) -> Result<(), Errno> {
    while let Some(next) = outbox.next() {
        match retry_on_intr(|| send(&socket, next, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)) {
            Ok(count) => outbox.advance(count),
            Err(Errno::AGAIN) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
