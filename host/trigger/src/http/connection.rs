//! One connection: HTTP is spoken on it until it ends, or has to. Which connections have to end is decided in `table`, who answers in
//! `routes`.

use super::answer::{Answer, Streams, waits_for_handler};
use super::server::at;
use super::table::{Connection, InFlight, Note};
use super::wire::Wire;
use super::{Body, Peer, Request, RequestBody, Response, Routes, ServerOptions, text};
use arc_swap::ArcSwapOption;
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Method, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// What the client of a WebSocket is told.
const NO_WEBSOCKET: &str = "WebSocket is not supported: wasi:http has no way to change the protocol of a connection. Server-sent events \
                            and requests work\n";

/// How often an HTTP/2 connection that is to end is looked at, in parts of the timeout.
const LINGER: u32 = 12;

/// How long a connection without a request in flight may still bring one when the server stops: its client may just have sent it. It is
/// answered, and told that it was the last one.
const LAST_REQUEST: Duration = Duration::from_secs(1);

/// What answers on the connections of a server.
pub(super) struct Server {
    /// None once nobody is to be answered any more.
    pub(super) routes: ArcSwapOption<Routes>,
    pub(super) options: ServerOptions,
}

impl Server {
    /// Speaks HTTP on `stream` until it ends.
    pub(super) async fn connection(self: Arc<Self>, stream: TcpStream, connection: Arc<Connection>) {
        set_nodelay(&stream);
        let head_timeout = self.options.head_timeout;
        let builder = self.builder();
        let wire = Wire::new(stream, &self.options, Arc::clone(&connection));
        let counted = Arc::clone(&connection);
        let stopping = Arc::new(AtomicBool::new(false));
        let last = Arc::clone(&stopping);
        let service = service_fn(move |request: http::Request<Incoming>| {
            let http2 = request.version() == http::Version::HTTP_2;
            let (server, in_flight) = (Arc::clone(&self), counted.request(http2));
            let last = Arc::clone(&last);
            async move {
                let mut response = server.respond(request, http2, in_flight).await;
                if !http2 && last.load(Ordering::Relaxed) {
                    announce_close(&mut response);
                }
                Ok::<_, Infallible>(response)
            }
        });
        let mut speaking = pin!(builder.serve_connection(TokioIo::new(wire), service));
        let mut end = None;
        let ended = loop {
            tokio::select! {
                biased;
                ended = speaking.as_mut() => break ended,
                () = at(end) => {
                    if connection.is_lingering() {
                        return;
                    }
                    end = None;
                    speaking.as_mut().graceful_shutdown();
                }
                note = connection.told() => match note {
                    // hyper closes a connection at once on which no request is in flight.
                    Note::Stop if connection.is_idle() && !connection.is_http2() => {
                        stopping.store(true, Ordering::Relaxed);
                        end = Some(Instant::now() + LAST_REQUEST);
                    }
                    Note::Stop => speaking.as_mut().graceful_shutdown(),
                    Note::Late if !connection.is_idle() => {}
                    Note::GiveWay if !connection.is_idle() => connection.stays(),
                    // A client of HTTP/1.1 learns all from the end of the connection.
                    Note::Late | Note::GiveWay if !connection.is_http2() => return,
                    Note::GiveWay => {
                        // One GOAWAY, as far as the socket takes it.
                        speaking.as_mut().graceful_shutdown();
                        let _ = futures::poll!(speaking.as_mut());
                        return;
                    }
                    Note::Late => {
                        speaking.as_mut().graceful_shutdown();
                        return linger(speaking, &connection, head_timeout).await;
                    }
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(error, "a connection ended early");
        }
    }

    fn builder(&self) -> auto::Builder<Streams> {
        let timeout = self.options.write_timeout;
        let mut builder = auto::Builder::new(Streams { timeout });
        builder
            .http1()
            // The table has one that begins before the version is known, and holds for both.
            .header_read_timeout(None)
            .max_buf_size(self.options.max_head);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.options.max_streams)
            .max_header_list_size(u32::try_from(self.options.max_head).unwrap_or(u32::MAX))
            .keep_alive_interval(self.options.head_timeout);
        builder
    }

    async fn respond(
        &self,
        request: http::Request<Incoming>,
        http2: bool,
        in_flight: InFlight,
    ) -> http::Response<Answer> {
        // hyper leaves out the body of an answer to HEAD in HTTP/1.1 alone, and a client of HTTP/2 takes one for an error of the
        // protocol (RFC 9113 section 8.1.1).
        let without_body = http2 && request.method() == http::Method::HEAD;
        let body_timeout = self.options.body_timeout;
        let request = request.map(|it| RequestBody::wire(it, body_timeout));
        let response = {
            let mut handled = pin!(self.handle(request, in_flight.connection().peer()));
            std::future::poll_fn(|cx| {
                let polled = handled.as_mut().poll(cx);
                if polled.is_pending() {
                    waits_for_handler();
                }
                polled
            })
            .await
        };
        response.map(|body| {
            let body = if without_body { Body::default() } else { body };
            Answer::new(body, http2, in_flight)
        })
    }

    async fn handle(&self, mut request: Request, peer: &Peer) -> Response {
        // The guard of the routes is not held while the handler works.
        let handler = match &*self.routes.load() {
            Some(routes) => match routes.find(request.uri().path()) {
                Some(target) => {
                    let upgrade = target.receive(&mut request, peer);
                    if upgrade && wants_websocket(&request) {
                        return text(StatusCode::NOT_IMPLEMENTED, NO_WEBSOCKET.to_owned());
                    }
                    Ok(Arc::clone(&target.handler))
                }
                None => Err(StatusCode::NOT_FOUND),
            },
            None => Err(StatusCode::SERVICE_UNAVAILABLE),
        };
        match handler {
            Ok(handler) => handler.handle(request).await,
            Err(status) => {
                let mut response = Response::new(Body::default());
                *response.status_mut() = status;
                response
            }
        }
    }
}

/// Whether a request is a WebSocket handshake (RFC 6455 section 4.1). Any other upgrade may be passed over (RFC 9110 section 7.8).
fn wants_websocket(request: &Request) -> bool {
    let values = request.headers().get_all(UPGRADE).iter();
    let mut protocols = values
        .filter_map(|it| it.to_str().ok())
        .flat_map(|it| it.split(','));
    request.method() == Method::GET && protocols.any(|it| it.trim().eq_ignore_ascii_case("websocket"))
}

/// Without it the last part of an answer waits for the client's acknowledgement (RFC 896).
fn set_nodelay(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
}

/// The connection ends after this answer.
fn announce_close(response: &mut http::Response<Answer>) {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
}

/// Waits for the end of an HTTP/2 connection that was asked to end, while its client takes what was answered: for `most` at the longest,
/// unless a request came before the client knew.
async fn linger<F: Future>(mut speaking: Pin<&mut F>, connection: &Connection, most: Duration) {
    let until = Instant::now() + most;
    loop {
        let before = connection.written();
        if timeout(most / LINGER, speaking.as_mut()).await.is_ok() {
            return;
        }
        let over = connection.written() == before || Instant::now() >= until;
        if over && connection.is_idle() {
            return;
        }
    }
}
