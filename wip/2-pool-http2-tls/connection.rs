//! One connection to a server, over which requests are sent: HTTP/1.1, one after the other, or HTTP/2, many at once.

use super::fault::{BUFFER, Fault};
use super::lenient::Lenient;
use super::target::Target;
use http::header::HOST;
use http::{Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper::rt::Executor;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use wasmtime_wasi_http::WasiBody;
use wasmtime_wasi_http::io::TokioIo;

/// How long a connection that was kept may take to be ready for the next request. It is at once, unless the server closes it.
const READY: Duration = Duration::from_secs(1);

/// Requests that are sent over one connection of HTTP/2 at once, where the server allows as many. Each may hold [`BUFFER`] bytes of its
/// answer back, and all together no more than the connection's window: so an instance that doesn't read keeps no other from reading.
const STREAMS: usize = 100;

/// A connection to a server.
pub(super) enum Connection {
    One(One),
    Two(Two),
}

/// A connection of HTTP/1.1. Whoever has it has it alone.
pub(super) struct One {
    sender: http1::SendRequest<WasiBody>,
    _driver: Driver,
}

/// A share in a connection of HTTP/2, which ends with the last one.
#[derive(Clone)]
pub(super) struct Two {
    sender: http2::SendRequest<WasiBody>,
    driver: Arc<Driver>,
}

/// The task that moves the bytes of a connection. The connection ends with it.
struct Driver(JoinHandle<()>);

impl Driver {
    fn spawn(driver: impl Future<Output = hyper::Result<()>> + Send + 'static) -> Self {
        Self(tokio::spawn(async move {
            // Whoever waits for an answer is told the same.
            if let Err(error) = driver.await {
                tracing::debug!("outgoing connection: {error:?}");
            }
        }))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A request that was not sent, with the reason. The request is there if nothing of it was.
pub(super) struct Unsent {
    pub(super) fault: Fault,
    pub(super) request: Option<Request<WasiBody>>,
}

impl From<TrySendError<Request<WasiBody>>> for Unsent {
    fn from(mut error: TrySendError<Request<WasiBody>>) -> Self {
        let request = error.take_message();
        Self {
            fault: error.into_error().into(),
            request,
        }
    }
}

impl Connection {
    /// Speaks HTTP/1.1.
    pub(super) async fn one(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Result<Self, Fault> {
        let handshake = http1::Builder::new()
            .max_buf_size(BUFFER)
            .handshake(TokioIo::new(Lenient::new(stream)))
            .await;
        let (sender, driver) = handshake?;
        Ok(Self::One(One {
            sender,
            _driver: Driver::spawn(driver),
        }))
    }

    /// Speaks HTTP/2, which the server was asked for, or is known to speak.
    pub(super) async fn two(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Result<Self, Fault> {
        let window = u32::try_from(BUFFER).unwrap_or(u32::MAX);
        let all = u32::try_from(BUFFER * STREAMS).unwrap_or(u32::MAX);
        let handshake = http2::Builder::new(Spawn)
            .initial_stream_window_size(window)
            .initial_connection_window_size(all)
            .max_header_list_size(window)
            .max_send_buf_size(BUFFER)
            .handshake(TokioIo::new(stream))
            .await;
        let (sender, driver) = handshake?;
        Ok(Self::Two(Two {
            sender,
            driver: Arc::new(Driver::spawn(driver)),
        }))
    }

    /// Whether it is known to be of no use any more.
    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::One(one) => one.sender.is_closed(),
            Self::Two(two) => two.sender.is_closed(),
        }
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(
        &mut self,
        request: Request<WasiBody>,
        target: &Target,
    ) -> Result<Response<Incoming>, Unsent> {
        match self {
            Self::One(one) => {
                match timeout(READY, one.sender.ready()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return Err(unsent(error.into(), request)),
                    Err(_) => return Err(unsent(Fault::ConnectTimeout(READY), request)),
                }
                Ok(one.sender.try_send_request(first_line(request, target)).await?)
            }
            Self::Two(two) => Ok(two.sender.try_send_request(second(request, target)).await?),
        }
    }
}

fn unsent(fault: Fault, request: Request<WasiBody>) -> Unsent {
    Unsent {
        fault,
        request: Some(request),
    }
}

/// The form that origin servers expect (RFC 9112, 3.2.1); hyper writes what it is given.
fn first_line(mut request: Request<WasiBody>, target: &Target) -> Request<WasiBody> {
    *request.version_mut() = Version::HTTP_11;
    *request.uri_mut() = Uri::from(target.path.clone());
    request
}

/// HTTP/2 has the authority in a field of its own (RFC 9113, 8.3.1).
fn second(mut request: Request<WasiBody>, target: &Target) -> Request<WasiBody> {
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = target.uri.clone();
    request.headers_mut().remove(HOST);
    request
}

impl Two {
    /// Whether another share may be had: as many as the server allows are answered at once.
    pub(super) fn has_room(&self) -> bool {
        Arc::strong_count(&self.driver) - 1 < self.sender.current_max_send_streams().min(STREAMS)
    }

    /// Whether somebody has a share beside this one.
    pub(super) fn is_used(&self) -> bool {
        Arc::strong_count(&self.driver) > 1
    }

    /// Whether both are shares in one connection.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.driver, &other.driver)
    }
}

/// Runs what HTTP/2 needs beside its connection: the sending of bodies.
#[derive(Clone, Copy)]
struct Spawn;

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Spawn {
    fn execute(&self, future: F) {
        tokio::spawn(future);
    }
}
