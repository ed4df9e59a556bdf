//! Sockets in a pod's network namespace. A socket stays where it was made, whoever uses it, so one thread makes all of them: it enters the
//! namespace, makes the socket, and comes back (setns(2) changes the calling thread alone).

use crate::node::lock;
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, sockopt};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, mpsc};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::oneshot;

/// Connections that wait to be accepted; the kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// What the thread is to do, once it is in the namespace or could not enter it.
struct Job {
    namespace: PathBuf,
    work: Box<dyn FnOnce(io::Result<()>) + Send>,
}

/// The way to the thread. It is started with the first job, and again should it ever be gone.
static THREAD: Mutex<Option<mpsc::Sender<Job>>> = Mutex::new(None);

/// Runs `work`, which must not wait for anything, in the network namespace at `path`; in our own where there is none.
async fn enter<T: Send + 'static>(
    path: Option<&Path>,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let Some(path) = path else { return work() };
    let (sender, receiver) = oneshot::channel();
    submit(Job {
        namespace: path.to_owned(),
        work: Box::new(move |entered| {
            // Nobody listens any more where the request was given up.
            let _ = sender.send(entered.and_then(|()| work()));
        }),
    })?;
    receiver
        .await
        .unwrap_or_else(|_| Err(io::Error::other("the thread in the network namespace ended")))
}

fn submit(mut job: Job) -> io::Result<()> {
    let mut thread = lock(&THREAD);
    if let Some(sender) = &*thread {
        match sender.send(job) {
            Ok(()) => return Ok(()),
            Err(mpsc::SendError(unsent)) => job = unsent,
        }
    }
    let home = File::open("/proc/thread-self/ns/net")?;
    let (sender, jobs) = mpsc::channel();
    std::thread::Builder::new()
        .name("netns".to_owned())
        .spawn(move || serve(&jobs, &home))?;
    // It has just begun to listen.
    let _ = sender.send(job);
    *thread = Some(sender);
    Ok(())
}

fn serve(jobs: &mpsc::Receiver<Job>, home: &File) {
    let join = |namespace: &File| {
        let kind = Some(LinkNameSpaceType::Network);
        move_into_link_name_space(namespace.as_fd(), kind).map_err(io::Error::from)
    };
    while let Ok(Job { namespace, work }) = jobs.recv() {
        work(File::open(&namespace).and_then(|namespace| join(&namespace)));
        // So that no namespace outlives its pod. Should it fail: each job enters its own, wherever the thread is.
        let _ = join(home);
    }
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
    let socket = socket(address, SocketType::STREAM)?;
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

fn socket(address: SocketAddr, kind: SocketType) -> io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let protocol = if kind == SocketType::DGRAM {
        ipproto::UDP
    } else {
        ipproto::TCP
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(rustix::net::socket_with(family, kind, flags, Some(protocol))?)
}

/// A connection from within the namespace, from `from` where that matters.
pub(crate) async fn connect(
    path: Option<&Path>,
    from: Option<SocketAddr>,
    address: SocketAddr,
) -> io::Result<TcpStream> {
    let socket = enter(path, move || socket(address, SocketType::STREAM)).await?;
    let socket = tokio::net::TcpSocket::from_std_stream(socket.into());
    if let Some(from) = from {
        socket.bind(from)?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A socket for datagrams in the namespace, at `address`.
pub(crate) async fn datagrams(path: Option<&Path>, address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = enter(path, move || {
        let socket = socket(address, SocketType::DGRAM)?;
        rustix::net::bind(&socket, &address)?;
        Ok(socket)
    });
    UdpSocket::from_std(socket.await?.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::thread::{UnshareFlags, unshare_unsafe};
    use std::net::TcpListener;

    /// A network namespace of its own, as long as the thread lives that waits for the second channel. As root, as `shoald` is.
    #[allow(
        unsafe_code,
        reason = "rustix calls it unsafe for what it may do to descriptors"
    )]
    fn namespace() -> (PathBuf, mpsc::Sender<()>) {
        let (made, path) = mpsc::channel();
        let (keep, ends) = mpsc::channel::<()>();
        std::thread::spawn(move || {
            // SAFETY: the network namespace alone, of a thread that does nothing else.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.unwrap();
            let thread = rustix::thread::gettid().as_raw_nonzero();
            made.send(PathBuf::from(format!("/proc/self/task/{thread}/ns/net")))
                .unwrap();
            let _ = ends.recv();
        });
        (path.recv().unwrap(), keep)
    }

    #[tokio::test]
    async fn each_socket_is_in_its_own_namespace_and_the_thread_comes_home() {
        let (one, _one) = namespace();
        let (two, _two) = namespace();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        // The same port is free in each.
        let first = listen(Some(&one), port, false).await.unwrap();
        let second = listen(Some(&two), port, false).await.unwrap();
        let home = TcpListener::bind(("127.0.0.1", port)).unwrap();
        assert!(listen(Some(&one), port, false).await.is_err(), "taken");
        drop((first, second));
        // Loopback is down in a new namespace, so what reaches the listener was made here.
        let address = home.local_addr().unwrap();
        assert!(connect(None, None, address).await.is_ok());
        assert!(connect(Some(&one), None, address).await.is_err());
        datagrams(Some(&two), "0.0.0.0:0".parse().unwrap()).await.unwrap();
        let inode = |path: &str| std::fs::read_link(path).unwrap();
        let seen = enter(Some(&one), || Ok(inode_of_this_thread())).await.unwrap();
        assert_eq!(seen, inode(one.to_str().unwrap()));
        assert_ne!(seen, inode("/proc/self/ns/net"));
        assert!(listen(Some(Path::new("/nowhere")), port, false).await.is_err());
        let threads = std::fs::read_dir("/proc/self/task").unwrap();
        let netns = threads
            .map(|it| it.unwrap().path())
            .find(|it| std::fs::read_to_string(it.join("comm")).is_ok_and(|name| name.trim() == "netns"));
        assert_eq!(
            std::fs::read_link(netns.unwrap().join("ns/net")).unwrap(),
            inode("/proc/self/ns/net")
        );
    }

    fn inode_of_this_thread() -> PathBuf {
        std::fs::read_link("/proc/thread-self/ns/net").unwrap()
    }
}
