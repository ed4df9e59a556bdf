//! The body of an outgoing request. The guest writes it whether or not the server wants it: a server may answer and close before it has
//! read anything. So the guest's end stays open for a while after the request was sent, and its length is checked here, where it is known
//! what the guest had announced.

use super::answer::Lease;
use super::fault::Fault;
use bytes::Bytes;
use futures::channel::oneshot;
use http::header::CONTENT_LENGTH;
use http::{Method, Request};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Empty};
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::timeout;
use wasmtime_wasi_http::{Error, WasiBody};

/// Bytes that a guest may still write once nobody sends them. After that its stream is closed.
const DISCARDED: u64 = 1 << 20;

/// How long a request of a method that has no content waits for the guest to say that it has none. Guests send a request first, and
/// finish its empty body right after it. With the body still open it would go out in chunks, which many servers don't expect of a GET.
pub(super) const SETTLE: Duration = Duration::from_millis(5);

/// Our end of a body that is being sent.
pub(super) struct Upload {
    state: Arc<Mutex<State>>,
    /// Resolves when the sender has dropped its end.
    released: oneshot::Receiver<Infallible>,
    /// The request is of a method that has no content, and says nothing of a length.
    may_be_none: bool,
    /// The connection, where the answer has ended before the request did.
    lease: Arc<Mutex<Option<Lease>>>,
}

/// How far the sending of a body is, as the reader of the answer sees it.
pub(super) struct Progress {
    state: Arc<Mutex<State>>,
    lease: Arc<Mutex<Option<Lease>>>,
}

/// The sender's end.
struct Sending {
    state: Arc<Mutex<State>>,
    _released: oneshot::Sender<Infallible>,
}

struct State {
    body: WasiBody,
    /// What the guest had written before the request was sent.
    first: Option<Frame<Bytes>>,
    /// What `content-length` announces.
    announced: Option<u64>,
    written: u64,
    ended: bool,
    error: Option<Error>,
    /// The server got less than a whole request, or one that it may take for two.
    spoiled: bool,
    /// The sender has dropped its end.
    released: bool,
}

impl Upload {
    /// Takes the body out of a request, and puts the sender's end in its place.
    pub(super) fn of(request: Request<WasiBody>) -> (Request<WasiBody>, Self) {
        let (head, body) = request.into_parts();
        let announced = head.headers.get(CONTENT_LENGTH);
        let announced = announced.and_then(|it| it.to_str().ok()?.parse().ok());
        let none = [
            Method::GET,
            Method::HEAD,
            Method::OPTIONS,
            Method::DELETE,
            Method::TRACE,
        ];
        let may_be_none = announced.is_none() && none.contains(&head.method);
        let ended = body.is_end_stream();
        let state = Arc::new(Mutex::new(State {
            body,
            first: None,
            announced,
            written: 0,
            ended,
            error: None,
            spoiled: false,
            released: false,
        }));
        let (sender, released) = oneshot::channel();
        let sending = Sending {
            state: Arc::clone(&state),
            _released: sender,
        };
        let upload = Self {
            state,
            released,
            may_be_none,
            lease: Arc::default(),
        };
        (Request::from_parts(head, sending.boxed_unsync()), upload)
    }

    /// Gives the guest a moment to end a body that is likely empty. Returns the request without a body if it did.
    pub(super) async fn settle(
        &self,
        request: Request<WasiBody>,
        moment: Duration,
    ) -> Result<Request<WasiBody>, Fault> {
        if self.may_be_none && !self.lock().ended {
            // Without an answer in time, the body goes out as the guest writes it.
            let _ = timeout(moment, poll_fn(|context| self.lock().poll_first(context))).await;
        }
        if let Some(error) = self.error() {
            return Err(Fault::Body(error));
        }
        let mut state = self.lock();
        if state.ended && state.first.is_none() && state.written == 0 {
            state.spoiled = false;
            drop(state);
            let none = Empty::new().map_err(|never| match never {}).boxed_unsync();
            return Ok(request.map(|_| none));
        }
        // A server that expects no body here takes the chunks for the next request.
        state.spoiled |= self.may_be_none;
        drop(state);
        Ok(request)
    }

    /// Whether the connection can't be kept, whatever comes.
    pub(super) fn is_spoiled(&self) -> bool {
        self.lock().spoiled
    }

    /// What decides whether the connection is kept.
    pub(super) fn progress(&self) -> Progress {
        Progress {
            state: Arc::clone(&self.state),
            lease: Arc::clone(&self.lease),
        }
    }

    /// What went wrong with the body itself. It comes once.
    pub(super) fn error(&self) -> Option<Error> {
        self.lock().error.take()
    }

    /// Waits until the body is sent or given up, and takes what the guest still writes after that.
    pub(super) async fn finish(mut self) -> Result<(), Error> {
        let _ = (&mut self.released).await;
        let lease = lock(&self.lease).take();
        if let Some(lease) = lease
            && self.lock().is_whole()
        {
            lease.keep();
        }
        if let Some(error) = self.error() {
            return Err(error);
        }
        let most = self.lock().written.saturating_add(DISCARDED);
        poll_fn(|context| {
            let mut state = self.lock();
            while let Some(frame) = ready!(state.poll(context)) {
                if frame.is_err() || state.written > most {
                    break;
                }
            }
            Poll::Ready(())
        })
        .await;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Progress {
    /// Takes the connection once the answer is read. It is kept when the request is sent to its end, too.
    pub(super) fn answered(&self, lease: Lease) {
        let state = lock(&self.state);
        if !state.released {
            // `Upload::finish` decides, which waits for the release.
            *lock(&self.lease) = Some(lease);
        } else if state.is_whole() {
            drop(state);
            lease.keep();
        }
    }
}

impl State {
    /// Whether the server got the whole request, and can't take it for more than one.
    fn is_whole(&self) -> bool {
        !self.spoiled && self.first.is_none() && (self.ended || self.body.is_end_stream())
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(self.check(frame))
    }

    /// Waits for the first piece that holds something, or for the end.
    fn poll_first(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while let Some(Ok(frame)) = ready!(self.poll(context)) {
            if frame.data_ref().is_none_or(|data| !data.is_empty()) {
                self.first = Some(frame);
                break;
            }
        }
        Poll::Ready(())
    }

    /// Holds the body's length against what was announced.
    fn check(&mut self, frame: Option<Result<Frame<Bytes>, Error>>) -> Option<Result<Frame<Bytes>, Error>> {
        if let Some(Ok(frame)) = &frame {
            let data = frame.data_ref().map_or(0, |data| data.len() as u64);
            self.written = self.written.saturating_add(data);
        }
        self.ended = !matches!(&frame, Some(Ok(frame)) if frame.is_data());
        let long = self.announced.is_some_and(|length| self.written > length);
        let short = self.ended && self.announced.is_some_and(|length| self.written < length);
        let error = match frame {
            // 0.2 says no more of a body that its guest gave up.
            None | Some(Ok(_) | Err(Error::HttpProtocolError)) if long || short => {
                Error::HttpRequestBodySize(Some(self.written))
            }
            Some(Err(error)) => error,
            frame => return frame,
        };
        self.ended = true;
        self.spoiled = true;
        self.error = Some(error);
        Some(Err(Error::HttpProtocolError))
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.lock().poll(context)
    }

    fn is_end_stream(&self) -> bool {
        let state = self.lock();
        state.first.is_none() && (state.ended || state.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let state = self.lock();
        match state.first {
            Some(_) => SizeHint::default(),
            None => state.body.size_hint(),
        }
    }
}

impl Sending {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.lock().released = true;
    }
}

#[cfg(test)]
mod tests;
