//! Sockets in a pod's network namespace. A socket stays where it was made, whoever uses it, so it is made by a thread that enters
//! the namespace and ends (setns(2) changes the calling thread alone).

use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, sockopt};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use tokio::sync::oneshot;

/// Connections that wait to be accepted; the kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Runs `work` in the network namespace at `path`; in our own where there is none.
pub(crate) async fn enter<T: Send + 'static>(
    path: Option<&Path>,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let namespace = path.map(File::open).transpose()?;
    let (sender, receiver) = oneshot::channel();
    std::thread::Builder::new()
        .name("netns".to_owned())
        .spawn(move || {
            let entered = namespace.map_or(Ok(()), |namespace| {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
            });
            // Nobody listens any more where the request was given up.
            let _ = sender.send(entered.map_err(io::Error::from).and_then(|()| work()));
        })?;
    receiver
        .await
        .unwrap_or_else(|_| Err(io::Error::other("the thread in the network namespace ended")))
}

/// A socket that listens on all addresses of the namespace; `shared`: others of ours may listen there as well.
pub(crate) async fn listen(path: Option<&Path>, port: u16, shared: bool) -> io::Result<OwnedFd> {
    enter(path, move || {
        // IPv6's socket takes IPv4 as well, unless the node does without IPv6.
        let v6 = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port);
        let v4 = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port);
        bind(v6, shared).or_else(|_| bind(v4, shared))
    })
    .await
}

fn bind(address: SocketAddr, shared: bool) -> io::Result<OwnedFd> {
    let socket = stream(family(address))?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, false)?;
    }
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if shared {
        sockopt::set_socket_reuseport(&socket, true)?;
    }
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

fn stream(family: AddressFamily) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(rustix::net::socket_with(
        family,
        SocketType::STREAM,
        flags,
        Some(ipproto::TCP),
    )?)
}

fn family(address: SocketAddr) -> AddressFamily {
    match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    }
}

/// A connection from within the namespace.
pub(crate) async fn connect(path: Option<&Path>, address: SocketAddr) -> io::Result<OwnedFd> {
    let socket = enter(path, move || stream(family(address))).await?;
    let socket = tokio::net::TcpSocket::from_std_stream(socket.into());
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream.into_std()?.into())
}
