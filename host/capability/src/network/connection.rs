//! One connection to a server, over which requests are sent one after the other.

use super::fault::{BUFFER, Fault};
use super::lenient::Lenient;
use super::target::Target;
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};
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

/// A connection to a server. It is used by one request at a time.
pub(super) struct Connection {
    sender: http1::SendRequest<WasiBody>,
    driver: Driver,
}

/// The task that moves the bytes of a connection. The connection ends with it.
struct Driver {
    task: JoinHandle<()>,
    opened: Instant,
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
        }
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
        Ok(Self {
            sender,
            driver: Driver::spawn(driver),
        })
    }

    /// Whether no more requests should be sent over it.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.sender.is_closed() || now.duration_since(self.driver.opened) >= LIFETIME
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(
        &mut self,
        mut request: Request<WasiBody>,
        target: &Target,
    ) -> Result<Response<Incoming>, Unanswered> {
        match timeout(READY, self.sender.ready()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(Unanswered::unsent(error.into(), request)),
            Err(_) => return Err(Unanswered::unsent(Fault::ConnectTimeout(READY), request)),
        }
        // The form that origin servers expect (RFC 9112, 3.2.1); hyper writes what it is given.
        *request.uri_mut() = Uri::from(target.path.clone());
        Ok(self.sender.try_send_request(request).await?)
    }
}
