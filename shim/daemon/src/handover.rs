//! The listening socket of a container, taken from the worker that has it (pidfd_getfd(2)): the very same socket, so that connections
//! which wait to be accepted are lost to nobody while another worker takes over. Who takes over is `upgrade`'s.
//!
//! A worker may be hostile, so a socket is taken for what the kernel says of it: that it listens, in which network namespace, on which port.

use rustix::io::Errno;
use rustix::net::{SocketAddrAny, getsockname, sockopt};
use rustix::process::{ForeignRawFd, PidfdGetfdFlags, pidfd_getfd};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The ioctl that opens the network namespace of a socket: SIOCGSKNS, `include/uapi/linux/sockios.h`.
const NAMESPACE_OF_SOCKET: libc::c_ulong = 0x894C;

/// The socket that process `pid` listens with on `port` in the network namespace at `netns`, or in our own; none where it has none.
pub(crate) fn listener(
    pid: i32,
    pidfd: BorrowedFd<'_>,
    netns: Option<&Path>,
    port: u16,
) -> io::Result<Option<OwnedFd>> {
    let namespace = fs::metadata(netns.unwrap_or(Path::new("/proc/thread-self/ns/net")))?;
    let namespace = (namespace.dev(), namespace.ino());
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        let entry = entry?;
        // What was closed meanwhile is not what is looked for.
        let is_socket = |target: &Path| target.to_string_lossy().starts_with("socket:");
        if !fs::read_link(entry.path()).is_ok_and(|target| is_socket(&target)) {
            continue;
        }
        let Some(number) = entry.file_name().to_str().and_then(|it| it.parse().ok()) else {
            continue;
        };
        let socket = match pidfd_getfd(pidfd, number_of(number), PidfdGetfdFlags::empty()) {
            Err(Errno::BADF) => continue,
            taken => taken?,
        };
        if sockopt::socket_acceptconn(&socket).unwrap_or(false)
            && port_of(&socket) == Some(port)
            && namespace_of(&socket)? == namespace
        {
            return Ok(Some(socket));
        }
    }
    Ok(None)
}

fn number_of(number: i32) -> ForeignRawFd {
    number
}

fn port_of(socket: &OwnedFd) -> Option<u16> {
    let address: SocketAddrAny = getsockname(socket).ok()?;
    SocketAddr::try_from(address).ok().map(|address| address.port())
}

/// Device and inode of the network namespace that a socket is in.
#[allow(unsafe_code, reason = "no library wraps this ioctl")]
fn namespace_of(socket: &OwnedFd) -> io::Result<(u64, u64)> {
    // SAFETY: the ioctl takes no argument, and its result is a new descriptor or -1.
    let namespace = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), NAMESPACE_OF_SOCKET) };
    if namespace < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was opened just now, and nobody else knows of it.
    let namespace = fs::File::from(unsafe { OwnedFd::from_raw_fd(namespace) });
    let metadata = namespace.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{PidfdFlags, getpid, pidfd_open};
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_connection_that_waits_is_accepted_by_whoever_takes_over() {
        let listener_of_worker = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener_of_worker.local_addr().unwrap();
        let pid = getpid();
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        let find =
            |netns: Option<&Path>, port| listener(pid.as_raw_nonzero().get(), pidfd.as_fd(), netns, port);
        // A client that nobody has accepted yet, and whose request is there.
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(b"hello").unwrap();
        let taken = find(None, address.port()).unwrap().unwrap();
        drop(listener_of_worker);
        let (mut accepted, _) = TcpListener::from(taken).accept().unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let mut said = String::new();
        accepted.read_to_string(&mut said).unwrap();
        assert_eq!(said, "hello");
        // Nobody listens any more; a connected socket of the same port is no listener.
        assert!(find(None, address.port()).unwrap().is_none());
    }

    #[test]
    fn a_listener_in_another_namespace_is_not_taken() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let pid = getpid();
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        // Any other file stands for a namespace that is not ours.
        let other = Path::new("/proc/self/ns/mnt");
        let found = listener(pid.as_raw_nonzero().get(), pidfd.as_fd(), Some(other), port);
        assert!(found.unwrap().is_none());
    }
}
