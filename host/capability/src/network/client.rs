//! Outgoing HTTP: one connection for each request, from the policy to the last byte of the answer. Connections are not kept: an
//! instance lives for one request, and one instance must not see what is left in another's connection.

use super::fault::{BUFFER, Fault};
use super::lenient::Lenient;
use super::outbound::{Outbound, Permit};
use super::target::Target;
use super::upload::Upload;
use super::{neighbours, tls};
use crate::CallContext;
use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::FusedFuture as _;
use http::{Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use std::convert::Infallible;
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
    let (request, upload) = Upload::of(request);
    let sent = exchange(&outbound, &target, (request, &upload), (options, context)).await;
    match sent {
        Ok((answer, rest)) => Ok((answer, Box::new(finish(rest, upload)))),
        // The reason is the body where it is one of its own making.
        Err(fault) => Err(upload.error().map_or(fault, Fault::Body).told(&outbound, &target)),
    }
}

/// Drives a connection to its end, then takes what the guest still writes.
async fn finish(rest: Driver, upload: Upload) -> Result<(), Error> {
    let done = rest.await;
    if let Some(error) = upload.error() {
        return Err(error);
    }
    upload.drain().await;
    done.map_err(Error::from)
}

/// What moves the bytes of a connection. It logs nothing: who reads the answer learns what went wrong, too.
type Driver = Pin<Box<dyn Future<Output = Result<(), Fault>> + Send>>;

async fn exchange(
    outbound: &Arc<Outbound>,
    target: &Target,
    (mut request, upload): (Request<WasiBody>, &Upload),
    (options, context): (RequestOptions, CallContext),
) -> Result<(Response<WasiBody>, Driver), Fault> {
    let first_byte = options.first_byte_timeout.unwrap_or(PATIENCE);
    let connect = options.connect_timeout.unwrap_or(PATIENCE);
    if !target.tls
        && let Some(neighbour) = outbound.neighbour(&target.host, target.port)?
    {
        let answer = neighbours::ask(outbound, neighbour, request, target.path.clone(), context);
        let answer = timeout(first_byte, answer).await;
        let answer = answer.map_err(|_| Fault::AnswerTimeout(first_byte))??;
        return Ok((answer, Box::pin(async { Ok(()) })));
    }
    let opened = timeout(connect, open(outbound, target)).await;
    let (connection, permit) = opened.map_err(|_| Fault::ConnectTimeout(connect))??;

    // The form that origin servers expect (RFC 9112, 3.2.1); hyper writes what it is given.
    *request.uri_mut() = Uri::from(target.path.clone());
    let request = upload.settle(request).await?;
    let handshake = http1::Builder::new()
        .max_buf_size(BUFFER)
        .handshake(TokioIo::new(Lenient::new(connection)))
        .await;
    let (mut sender, driver) = handshake?;
    let (open, closed) = oneshot::channel();
    let mut driver = Box::pin(drive(driver, permit, open)).fuse();
    let answer = async {
        let mut answer = std::pin::pin!(sender.send_request(request));
        tokio::select! {
            biased;
            answer = &mut answer => answer.map_err(Fault::from),
            // The connection ends first where the server closes it; what the request came to is known then.
            ended = &mut driver => match answer.await {
                Ok(answer) => Ok(answer),
                Err(error) => Err(ended.err().unwrap_or(error.into())),
            },
        }
    };
    let answer = timeout(first_byte, answer).await;
    let answer = answer.map_err(|_| Fault::AnswerTimeout(first_byte))??;
    let patience = options.between_bytes_timeout.unwrap_or(PATIENCE);
    let (outbound, target) = (Arc::clone(outbound), target.clone());
    let answer = answer.map(|body| {
        Patient {
            body,
            patience,
            limit: Box::pin(sleep(patience)),
            closed: Some(closed),
            told: Box::new(move |fault| fault.told(&outbound, &target)),
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
    Ok((answer, Box::pin(rest)))
}

/// Dropped when the connection is closed and its place is free.
type Open = oneshot::Sender<Infallible>;

async fn drive<T>(
    driver: http1::Connection<TokioIo<T>, WasiBody>,
    permit: Permit,
    open: Open,
) -> Result<(), Fault>
where
    T: Connection + 'static,
{
    let done = driver.await.map_err(Fault::from);
    drop(permit);
    drop(open);
    done
}

async fn open(outbound: &Arc<Outbound>, target: &Target) -> Result<(Box<dyn Connection>, Permit), Fault> {
    let permit = outbound.permit()?;
    let stream = Arc::clone(outbound).connect(&target.host, target.port).await?;
    let connection: Box<dyn Connection> = if target.tls {
        Box::new(tls::connect(Arc::clone(outbound.tls()), &target.host, stream).await?)
    } else {
        Box::new(stream)
    };
    Ok((connection, permit))
}

/// The body of an answer, with a limit on how long the next piece may take. It ends when its connection is closed: whoever has read
/// all of it may open the next one.
struct Patient {
    body: Incoming,
    patience: Duration,
    limit: Pin<Box<Sleep>>,
    closed: Option<oneshot::Receiver<Infallible>>,
    /// Logs what went wrong, and says what the guest is told.
    told: Box<dyn Fn(Fault) -> Error + Send>,
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
                return Poll::Ready(Some(frame.map_err(|error| (self.told)(error.into()))));
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
        Poll::Ready(Some(Err((self.told)(Fault::BodyTimeout(self.patience)))))
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
