//! The body of an outgoing request. The guest writes it whether or not the server wants it: a server may answer and close before it has
//! read anything. So the guest's end stays open for a while after the request was sent, and its length is checked here, where it is known
//! what the guest had announced.

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
const SETTLE: Duration = Duration::from_millis(5);

/// Our end of a body that is being sent.
pub(super) struct Upload {
    state: Arc<Mutex<State>>,
    /// Resolves when the sender has dropped its end.
    released: oneshot::Receiver<Infallible>,
    /// The request is of a method that has no content, and says nothing of a length.
    may_be_none: bool,
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
        };
        (Request::from_parts(head, sending.boxed_unsync()), upload)
    }

    /// Gives the guest a moment to end a body that is likely empty. Returns the request without a body if it did.
    pub(super) async fn settle(&self, request: Request<WasiBody>) -> Result<Request<WasiBody>, Fault> {
        if self.may_be_none && !self.lock().ended {
            // Without an answer in time, the body goes out as the guest writes it.
            let _ = timeout(SETTLE, poll_fn(|context| self.lock().poll_first(context))).await;
        }
        if let Some(error) = self.error() {
            return Err(Fault::Body(error));
        }
        let state = self.lock();
        if state.ended && state.first.is_none() && state.written == 0 {
            let none = Empty::new().map_err(|never| match never {}).boxed_unsync();
            return Ok(request.map(|_| none));
        }
        Ok(request)
    }

    /// What went wrong with the body itself. It comes once.
    pub(super) fn error(&self) -> Option<Error> {
        self.lock().error.take()
    }

    /// Takes what the guest still writes once the sender takes no more of it.
    pub(super) async fn drain(mut self) {
        let _ = (&mut self.released).await;
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
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
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
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
