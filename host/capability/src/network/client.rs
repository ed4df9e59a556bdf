//! Outgoing HTTP: one connection for each request, from the policy to the last byte of the answer. Connections are not kept: an
//! instance lives for one request, and one instance must not see what is left in another's connection.

use super::outbound::{Failure, Outbound, Permit};
use super::{neighbours, tls};
use crate::CallContext;
use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::FusedFuture as _;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use std::convert::Infallible;
use std::error::Error as _;
use std::future::ready;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep, timeout};
use wasmtime_wasi_http::io::TokioIo;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

/// What is left to do for a request while its answer is read.
pub(crate) type Work = Box<dyn Future<Output = Result<(), Error>> + Send>;

/// Bytes of an answer's head, and of its body, that are held for a guest that does not read them.
const BUFFER: usize = 64 << 10;

/// How long to wait where the guest did not say. The request that the guest works on ends long before.
const PATIENCE: Duration = Duration::from_secs(600);

trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// Sends a request and waits for the head of the answer.
pub(crate) async fn send(
    outbound: Arc<Outbound>,
    mut request: Request<WasiBody>,
    options: Option<RequestOptions>,
    context: CallContext,
) -> Result<(Response<WasiBody>, Work), Error> {
    let options = options.unwrap_or_default();
    let target = Target::of(&request)?;
    if let Some(trace) = &context.trace {
        trace.put_into(request.headers_mut());
    }
    if !target.tls
        && let Some(neighbour) = outbound
            .neighbour(&target.host, target.port)
            .map_err(|failure| told(&failure))?
    {
        let answer = neighbours::ask(&outbound, neighbour, request, target.path, context);
        let answer = timeout(options.first_byte_timeout.unwrap_or(PATIENCE), answer).await;
        return Ok((
            answer.map_err(|_| Error::ConnectionReadTimeout)??,
            Box::new(ready(Ok(()))),
        ));
    }
    let opened = timeout(
        options.connect_timeout.unwrap_or(PATIENCE),
        open(&outbound, &target),
    )
    .await;
    let (connection, permit) = opened.map_err(|_| Error::ConnectionTimeout)??;

    // The form that origin servers expect (RFC 9112, 3.2.1); hyper writes what it is given.
    *request.uri_mut() = Uri::from(target.path);
    let handshake = http1::Builder::new()
        .max_buf_size(BUFFER)
        .handshake(TokioIo::new(connection))
        .await;
    let (mut sender, driver) = handshake.map_err(|error| broken(&error))?;
    let (open, closed) = oneshot::channel();
    let mut driver = Box::pin(drive(driver, permit, open)).fuse();
    let answer = async {
        let mut answer = std::pin::pin!(sender.send_request(request));
        tokio::select! {
            biased;
            answer = &mut answer => answer.map_err(|error| broken(&error)),
            // The connection ends first where the server closes it; what the request came to is known then.
            ended = &mut driver => match answer.await {
                Ok(answer) => Ok(answer),
                Err(error) => Err(ended.err().unwrap_or_else(|| broken(&error))),
            },
        }
    };
    let answer = timeout(options.first_byte_timeout.unwrap_or(PATIENCE), answer).await;
    let answer = answer.map_err(|_| Error::ConnectionReadTimeout)??;
    let patience = options.between_bytes_timeout.unwrap_or(PATIENCE);
    let answer = answer.map(|body| {
        Patient {
            body,
            patience,
            limit: Box::pin(sleep(patience)),
            closed: Some(closed),
        }
        .boxed_unsync()
    });
    let rest = async move {
        if driver.is_terminated() {
            Ok(())
        } else {
            driver.await
        }
    };
    Ok((answer, Box::new(rest)))
}

/// Dropped when the connection is closed and its place is free.
type Open = oneshot::Sender<Infallible>;

async fn drive<T>(
    driver: http1::Connection<TokioIo<T>, WasiBody>,
    permit: Permit,
    open: Open,
) -> Result<(), Error>
where
    T: Connection + 'static,
{
    let done = driver.await.map_err(|error| broken(&error));
    drop(permit);
    drop(open);
    done
}

async fn open(outbound: &Arc<Outbound>, target: &Target) -> Result<(Box<dyn Connection>, Permit), Error> {
    let permit = outbound.permit().map_err(|failure| told(&failure))?;
    let connected = Arc::clone(outbound).connect(&target.host, target.port).await;
    let stream = connected.map_err(|failure| told(&failure))?;
    let connection: Box<dyn Connection> = if target.tls {
        Box::new(tls::connect(Arc::clone(outbound.tls()), &target.host, stream).await?)
    } else {
        Box::new(stream)
    };
    Ok((connection, permit))
}

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    host: String,
    port: u16,
    tls: bool,
    path: PathAndQuery,
}

impl Target {
    fn of(request: &Request<WasiBody>) -> Result<Self, Error> {
        // CONNECT asks for a tunnel to somewhere that no rule was asked about.
        if request.method() == Method::CONNECT {
            return Err(Error::HttpRequestMethodInvalid);
        }
        let uri: &Uri = request.uri();
        let authority: &Authority = uri.authority().ok_or(Error::HttpRequestUriInvalid)?;
        // `https://granted.example@other.example` looks like what it is not, and RFC 9110 (4.2.4) forbids sending it.
        if authority.as_str().contains('@') {
            return Err(Error::HttpRequestUriInvalid);
        }
        let tls = uri.scheme() == Some(&Scheme::HTTPS);
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if tls => 443,
            None => 80,
        };
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let path = uri
            .path_and_query()
            .cloned()
            .unwrap_or_else(|| PathAndQuery::from_static("/"));
        Ok(Self {
            host,
            port,
            tls,
            path,
        })
    }
}

/// What the guest is told of a failure.
pub(super) fn told(failure: &Failure) -> Error {
    match failure {
        Failure::Refused(_) => Error::HttpRequestDenied,
        Failure::TooMany(_) => Error::ConnectionLimitReached,
        Failure::Resolve { source, .. } if source.kind() == ErrorKind::TimedOut => Error::DnsTimeout,
        Failure::Resolve { .. } => Error::DnsError {
            rcode: None,
            info_code: None,
        },
        Failure::Connect { source, .. } => unreachable_host(source),
    }
}

fn unreachable_host(error: &io::Error) -> Error {
    match error.kind() {
        ErrorKind::TimedOut => Error::ConnectionTimeout,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Error::DestinationIpUnroutable,
        ErrorKind::ConnectionRefused => Error::ConnectionRefused,
        _ => Error::DestinationUnavailable,
    }
}

/// What hyper's error means to the guest.
fn broken(error: &hyper::Error) -> Error {
    tracing::debug!("outgoing request: {error:?}");
    let system = error
        .source()
        .and_then(|source| source.downcast_ref::<io::Error>())
        .map(io::Error::kind);
    if error.is_incomplete_message() || system == Some(ErrorKind::UnexpectedEof) {
        Error::HttpResponseIncomplete
    } else if error.is_timeout() {
        Error::HttpResponseTimeout
    } else if error.is_closed() || error.is_canceled() || system.is_some() {
        Error::ConnectionTerminated
    } else if error.is_parse_too_large() {
        Error::HttpResponseHeaderSectionSize(u32::try_from(BUFFER).ok())
    } else {
        Error::HttpProtocolError
    }
}

/// The body of an answer, with a limit on how long the next piece may take. It ends when its connection is closed: whoever has read
/// all of it may open the next one.
struct Patient {
    body: Incoming,
    patience: Duration,
    limit: Pin<Box<Sleep>>,
    closed: Option<oneshot::Receiver<Infallible>>,
}

impl Body for Patient {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(frame)) => {
                let next = Instant::now() + self.patience;
                self.limit.as_mut().reset(next);
                return Poll::Ready(Some(frame.map_err(|error| broken(&error))));
            }
            Poll::Ready(None) => {
                let closed = self.closed.as_mut().map(|closed| Pin::new(closed).poll(context));
                if !matches!(closed, Some(Poll::Pending)) {
                    self.closed = None;
                    return Poll::Ready(None);
                }
            }
            Poll::Pending => {}
        }
        std::task::ready!(self.limit.as_mut().poll(context));
        Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.closed.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
