//! Accepts connections, and closes those that it can't keep. What happens on one of them is in `connection`.

use super::connection::Server;
use super::table::Table;
use super::{Peer, Routes};
use arc_swap::ArcSwapOption;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{Id, JoinError, JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How a server protects itself from its clients.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Connections at once. For one more, the one that has had no request in flight for longest is closed; where each has one, it waits.
    pub max_connections: usize,
    /// Time from the start of a connection, or from the end of its last request, to the whole head of its next request. A connection
    /// without any is closed then.
    pub head_timeout: Duration,
    /// Time without any part of a request's body, while its handler waits for one.
    pub body_timeout: Duration,
    /// Time in which a client that does not take its answer must take a part of it.
    pub write_timeout: Duration,
    /// Bytes of a request's head.
    pub max_head: usize,
    /// Requests at once on one HTTP/2 connection.
    pub max_streams: u32,
    /// What is read of a client that goes on sending after its last answer.
    pub linger: Linger,
}

/// How long a connection that ends is read on, so that its client gets the answer that it was sent. What comes is dropped.
#[derive(Clone, Copy, Debug)]
pub struct Linger {
    /// Time without a byte.
    pub idle: Duration,
    /// Time altogether.
    pub most: Duration,
    /// Bytes.
    pub bytes: usize,
}

impl Default for Linger {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(1),
            most: Duration::from_secs(30),
            bytes: 64 << 20,
        }
    }
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            head_timeout: Duration::from_secs(60),
            body_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            max_head: 64 << 10,
            max_streams: 256,
            linger: Linger::default(),
        }
    }
}

/// A server that accepts connections, until it is shut down or dropped.
pub struct Running {
    address: SocketAddr,
    server: Arc<Server>,
    stop: CancellationToken,
    accepting: JoinHandle<()>,
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers by other routes from the next request on. Requests in flight are finished by those that they began with.
    pub fn replace(&self, routes: Routes) {
        self.server.routes.store(Some(Arc::new(routes)));
    }

    /// Stops accepting, lets requests in flight finish for as long as `grace`, then ends their connections.
    ///
    /// Returns whether all of them finished.
    pub async fn shutdown(mut self, grace: Duration) -> bool {
        self.stop.cancel();
        tokio::time::timeout(grace, &mut self.accepting).await.is_ok()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.accepting.abort();
        // Connections end in their own time, and are not to keep what nobody calls any more.
        self.server.routes.store(None);
    }
}

/// Answers what comes in on `listener`.
///
/// # Errors
///
/// Where the listener has no address.
pub fn serve(listener: TcpListener, routes: Routes, options: ServerOptions) -> std::io::Result<Running> {
    let address = listener.local_addr()?;
    let stop = CancellationToken::new();
    let server = Arc::new(Server {
        routes: ArcSwapOption::from_pointee(routes),
        options,
    });
    let acceptor = Acceptor {
        server: Arc::clone(&server),
        listener,
        table: Table::new(),
        tasks: JoinSet::new(),
        waiting: None,
    };
    let accepting = tokio::spawn(acceptor.run(stop.clone()));
    Ok(Running {
        address,
        server,
        stop,
        accepting,
    })
}

/// Accepts, until it is stopped.
struct Acceptor {
    server: Arc<Server>,
    listener: TcpListener,
    table: Table<Id>,
    /// Dropping them, when this task is aborted, ends the connections.
    tasks: JoinSet<()>,
    /// A connection for which there is no place yet.
    waiting: Option<TcpStream>,
}

impl Acceptor {
    async fn run(mut self, stop: CancellationToken) {
        let shared = self.table.shared();
        let head_timeout = self.server.options.head_timeout;
        let mut check = None;
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if self.waiting.is_none() => match accepted {
                    Ok((stream, _)) => self.place(stream),
                    Err(error) => self.refused(&error).await,
                },
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
                () = shared.idle(), if self.waiting.is_some() => { self.table.make_room(); }
                () = at(check) => check = self.next_check(),
                () = stop.cancelled() => break,
            }
            if check.is_none() && self.table.len() > 0 {
                check = Some(Instant::now() + head_timeout);
            }
        }
        // It was accepted, so its client waits for an answer.
        if let Some(stream) = self.waiting.take() {
            self.begin(stream);
        }
        self.drain(check).await;
    }

    /// Stops accepting, and waits for the connections to end.
    async fn drain(self, mut check: Option<Instant>) {
        let Self {
            listener,
            mut table,
            mut tasks,
            server,
            ..
        } = self;
        drop(listener);
        table.stop();
        loop {
            tokio::select! {
                ended = tasks.join_next_with_id() => match ended {
                    Some(ended) => table.remove(id(&ended)),
                    None => return,
                },
                () = at(check) => check = table.close_late(server.options.head_timeout).map(|it| Instant::now() + it),
            }
        }
    }

    /// Begins a connection, now or once there is a place for it.
    fn place(&mut self, stream: TcpStream) {
        if self.table.len() < self.server.options.max_connections {
            return self.begin(stream);
        }
        self.waiting = Some(stream);
        // Before looking for one: what ends its request after that says so.
        self.table.set_full(true);
        self.table.make_room();
    }

    fn begin(&mut self, stream: TcpStream) {
        // Who has gone already is no proxy.
        let address = stream.peer_addr().map(|it| it.ip());
        let peer = Peer::new(address.unwrap_or(Ipv4Addr::UNSPECIFIED.into()));
        let connection = self.table.connection(peer);
        let speaking = Arc::clone(&self.server).connection(stream, Arc::clone(&connection));
        let task = self.tasks.spawn(speaking);
        self.table.insert(task.id(), connection);
    }

    fn ended(&mut self, ended: Result<(Id, ()), JoinError>) {
        self.table.remove(id(&ended));
        if let Some(stream) = self.waiting.take() {
            self.table.set_full(false);
            self.place(stream);
        }
    }

    fn next_check(&self) -> Option<Instant> {
        let next = self.table.close_late(self.server.options.head_timeout);
        next.map(|it| Instant::now() + it)
    }

    /// A connection that could not be accepted. Out of descriptors or memory, the next attempt would fail at once as well.
    async fn refused(&mut self, error: &std::io::Error) {
        use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
        if !matches!(
            error.kind(),
            ConnectionAborted | ConnectionRefused | ConnectionReset
        ) {
            tracing::warn!(%error, "cannot accept a connection: closing an idle one, and trying again in a moment");
            self.table.make_room();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Of the connection that ended, or panicked.
fn id(ended: &Result<(Id, ()), JoinError>) -> Id {
    match ended {
        Ok((id, ())) => *id,
        Err(error) => error.id(),
    }
}

/// Waits until then; for ever where there is no such time.
pub(super) async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
