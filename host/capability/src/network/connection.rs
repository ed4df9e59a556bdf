//! One connection to a server: HTTP/1.1 for one request at a time, or HTTP/2 for many.

use super::fault::{BUFFER, Fault};
use super::lenient::Lenient;
use super::protocol::Protocol;
use super::target::Target;
use http::header::HOST;
use http::{Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper::rt::Executor;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use wasmtime_wasi_http::WasiBody;
use wasmtime_wasi_http::io::TokioIo;

/// How long a kept connection may take to be ready for the next request. It is ready at once, unless its server closes it.
const READY: Duration = Duration::from_secs(1);

/// How long new requests are sent over a connection: after that, names are resolved anew.
const LIFETIME: Duration = Duration::from_secs(300);

/// Requests that share a connection of HTTP/2, if the server allows as many. Each may hold back [`BUFFER`] bytes of its answer, and the
/// connection's window is the sum of these: an instance that doesn't read its answer keeps no other from reading.
const MAX_STREAMS: usize = 100;

/// A connection to a server.
pub(super) enum Connection {
    Http1(Http1),
    Http2(Http2),
}

/// A connection of HTTP/1.1. It is used by one request at a time.
pub(super) struct Http1 {
    sender: http1::SendRequest<WasiBody>,
    driver: Driver,
}

/// A connection of HTTP/2. It ends when its last clone is dropped.
#[derive(Clone)]
pub(super) struct Http2 {
    sender: http2::SendRequest<WasiBody>,
    driver: Arc<Driver>,
    /// How many requests at once the server allows.
    streams: Arc<AtomicUsize>,
}

/// The task that moves the bytes of a connection. The connection ends with it.
struct Driver {
    task: JoinHandle<()>,
    opened: Instant,
    /// A request got no answer.
    doubtful: AtomicBool,
}

impl Driver {
    fn spawn(driver: impl Future<Output = hyper::Result<()>> + Send + 'static) -> Self {
        let task = tokio::spawn(async move {
            // Whoever waits for an answer is told the same.
            if let Err(error) = driver.await {
                tracing::debug!("outgoing connection: {error:?}");
            }
        });
        Self {
            task,
            opened: Instant::now(),
            doubtful: AtomicBool::new(false),
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        self.doubtful.load(Ordering::Relaxed) || now.duration_since(self.opened) >= LIFETIME
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A request that got no answer. It is given back if nothing of it was sent.
pub(super) struct Unanswered {
    pub(super) fault: Fault,
    pub(super) unsent: Option<Request<WasiBody>>,
}

impl Unanswered {
    fn unsent(fault: Fault, request: Request<WasiBody>) -> Self {
        Self {
            fault,
            unsent: Some(request),
        }
    }
}

impl From<TrySendError<Request<WasiBody>>> for Unanswered {
    fn from(mut error: TrySendError<Request<WasiBody>>) -> Self {
        let unsent = error.take_message();
        Self {
            fault: error.into_error().into(),
            unsent,
        }
    }
}

impl Connection {
    /// Speaks HTTP/1.1.
    pub(super) async fn http1(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Result<Self, Fault> {
        let handshake = http1::Builder::new()
            .max_buf_size(BUFFER)
            .handshake(TokioIo::new(Lenient::new(stream)))
            .await;
        let (sender, driver) = handshake?;
        let driver = Driver::spawn(driver);
        Ok(Self::Http1(Http1 { sender, driver }))
    }

    /// Speaks HTTP/2, which the server has chosen or is known to speak.
    pub(super) async fn http2(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Result<Self, Fault> {
        let window = u32::try_from(BUFFER).unwrap_or(u32::MAX);
        let sum = u32::try_from(BUFFER * MAX_STREAMS).unwrap_or(u32::MAX);
        let handshake = http2::Builder::new(Spawn)
            .initial_stream_window_size(window)
            .initial_connection_window_size(sum)
            .max_header_list_size(window)
            .max_send_buf_size(BUFFER)
            .handshake(TokioIo::new(stream))
            .await;
        let (sender, driver) = handshake?;
        let streams = Arc::new(AtomicUsize::new(driver.current_max_send_streams()));
        let allowed = Arc::clone(&streams);
        let mut driver = Box::pin(driver);
        let driver = poll_fn(move |context| {
            let done = driver.as_mut().poll(context);
            if done.is_pending() {
                allowed.store(driver.current_max_send_streams(), Ordering::Relaxed);
            }
            done
        });
        let driver = Arc::new(Driver::spawn(driver));
        Ok(Self::Http2(Http2 {
            sender,
            driver,
            streams,
        }))
    }

    /// Whether no more requests should be sent over it.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        match self {
            Self::Http1(it) => it.sender.is_closed() || it.driver.is_over(now),
            Self::Http2(it) => it.sender.is_closed() || it.driver.is_over(now),
        }
    }

    /// Whether it can take a request at once.
    pub(super) fn has_room(&self, protocol: Protocol) -> bool {
        match self {
            Self::Http1(_) => protocol != Protocol::Http2,
            Self::Http2(it) => {
                protocol != Protocol::Http1
                    && it.users() < it.streams.load(Ordering::Relaxed).min(MAX_STREAMS)
            }
        }
    }

    /// Whether a request uses it, where several share it.
    pub(super) fn is_used(&self) -> bool {
        matches!(self, Self::Http2(it) if it.users() > 0)
    }

    /// The same connection for another request. None where it is for one at a time.
    pub(super) fn share(&self) -> Option<Self> {
        match self {
            Self::Http1(_) => None,
            Self::Http2(it) => Some(Self::Http2(it.clone())),
        }
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(
        &mut self,
        request: Request<WasiBody>,
        target: &Target,
    ) -> Result<Response<Incoming>, Unanswered> {
        match self {
            Self::Http1(it) => it.send(request, target).await,
            Self::Http2(it) => it.send(request, target).await,
        }
    }
}

impl Http1 {
    async fn send(
        &mut self,
        mut request: Request<WasiBody>,
        target: &Target,
    ) -> Result<Response<Incoming>, Unanswered> {
        match timeout(READY, self.sender.ready()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(Unanswered::unsent(error.into(), request)),
            Err(_) => return Err(Unanswered::unsent(Fault::ConnectTimeout(READY), request)),
        }
        *request.version_mut() = Version::HTTP_11;
        // The form that origin servers expect (RFC 9112, 3.2.1); hyper writes what it is given.
        *request.uri_mut() = Uri::from(target.path.clone());
        Ok(self.sender.try_send_request(request).await?)
    }
}

impl Http2 {
    async fn send(
        &mut self,
        mut request: Request<WasiBody>,
        target: &Target,
    ) -> Result<Response<Incoming>, Unanswered> {
        *request.version_mut() = Version::HTTP_2;
        // The authority has a field of its own (RFC 9113, 8.3.1).
        *request.uri_mut() = target.uri.clone();
        request.headers_mut().remove(HOST);
        // A request that times out or is given up casts doubt on the connection as one that fails does.
        let doubt = Doubt(Some(self.driver.as_ref()));
        let answer = self.sender.try_send_request(request).await?;
        doubt.dispel();
        Ok(answer)
    }

    /// How many requests use it, as the pool sees it, which has a clone for itself.
    fn users(&self) -> usize {
        Arc::strong_count(&self.driver) - 1
    }
}

/// Marks a connection when it is dropped, so that no new request waits there for an answer that does not come.
struct Doubt<'a>(Option<&'a Driver>);

impl Doubt<'_> {
    fn dispel(mut self) {
        self.0 = None;
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if let Some(driver) = self.0 {
            driver.doubtful.store(true, Ordering::Relaxed);
        }
    }
}

/// Runs what HTTP/2 needs beside its connection: the sending of bodies.
#[derive(Clone, Copy)]
pub(super) struct Spawn;

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Spawn {
    fn execute(&self, future: F) {
        tokio::spawn(future);
    }
}
