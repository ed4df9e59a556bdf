//! Accepts connections and speaks HTTP on them. Who answers is in `routes`.

use super::{Body, Request, RequestBody, Response, Routes};
use arc_swap::ArcSwapOption;
use http::StatusCode;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How a server protects itself from its clients.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Connections at once; further ones wait in the listener's backlog.
    pub max_connections: usize,
    /// Time for a client to send a request's head, and to leave a connection idle between requests (HTTP/1.1).
    pub head_timeout: Duration,
    /// Bytes of a request's head.
    pub max_head: usize,
    /// Requests at once on one HTTP/2 connection.
    pub max_streams: u32,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            head_timeout: Duration::from_secs(60),
            max_head: 64 << 10,
            max_streams: 256,
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
    let accepting = tokio::spawn(Arc::clone(&server).accept(listener, stop.clone()));
    Ok(Running {
        address,
        server,
        stop,
        accepting,
    })
}

struct Server {
    /// None once nobody is to be answered any more.
    routes: ArcSwapOption<Routes>,
    options: ServerOptions,
}

impl Server {
    async fn accept(self: Arc<Self>, listener: TcpListener, stop: CancellationToken) {
        let places = Arc::new(Semaphore::new(self.options.max_connections));
        // Dropping it, when this task is aborted, ends the connections.
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let next = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (place, listener.accept().await)
            };
            tokio::select! {
                (place, accepted) = next => match accepted {
                    Ok((stream, _)) => {
                        let connection = Arc::clone(&self).connection(stream, stop.clone());
                        connections.spawn(async move {
                            connection.await;
                            drop(place);
                        });
                    }
                    Err(error) => self.refused(&error).await,
                },
                Some(_) = connections.join_next() => {}
                () = stop.cancelled() => break,
            }
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
    }

    /// A connection that could not be accepted. Out of descriptors or memory, the next attempt would fail at once as well.
    async fn refused(&self, error: &std::io::Error) {
        use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
        if !matches!(
            error.kind(),
            ConnectionAborted | ConnectionRefused | ConnectionReset
        ) {
            tracing::warn!(%error, "cannot accept a connection: trying again in a moment");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, stop: CancellationToken) {
        // Without it the last part of an answer waits for the client's acknowledgement (RFC 896).
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        let builder = self.builder();
        let service = service_fn(move |request: http::Request<Incoming>| {
            let server = Arc::clone(&self);
            async move { Ok::<_, Infallible>(server.respond(request.map(RequestBody::Wire)).await) }
        });
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(error, "a connection ended early");
        }
    }

    fn builder(&self) -> auto::Builder<TokioExecutor> {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.options.head_timeout)
            .max_buf_size(self.options.max_head);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.options.max_streams)
            .max_header_list_size(u32::try_from(self.options.max_head).unwrap_or(u32::MAX))
            .keep_alive_interval(self.options.head_timeout);
        builder
    }

    async fn respond(&self, request: Request) -> Response {
        // The guard of the routes is not held while the handler works.
        let handler = match &*self.routes.load() {
            Some(routes) => routes
                .find(request.uri().path())
                .cloned()
                .ok_or(StatusCode::NOT_FOUND),
            None => Err(StatusCode::SERVICE_UNAVAILABLE),
        };
        // hyper leaves out the body of an answer to HEAD in HTTP/1.1 alone, and a client of HTTP/2 takes one for an error of the
        // protocol (RFC 9113 section 8.1.1).
        let without_body =
            request.method() == http::Method::HEAD && request.version() == http::Version::HTTP_2;
        let responding = handler.map(|handler| handler.handle(request));
        match responding {
            Ok(responding) if without_body => responding.await.map(|_| Body::default()),
            Ok(responding) => responding.await,
            Err(status) => {
                let mut response = Response::new(Body::default());
                *response.status_mut() = status;
                response
            }
        }
    }
}
