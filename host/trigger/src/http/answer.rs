//! The body of an answer on its way to a client, and the clients that don't take theirs. How a connection without requests ends is in
//! `table`.
//!
//! Over HTTP/1.1 a client that doesn't read blocks the socket, which `wire` notices. Over HTTP/2 the socket stays free, and only one
//! stream waits for the client's window (RFC 9113 section 5.2): hyper runs each stream as a task, so that task is what has a timeout.

use super::table::InFlight;
use super::{Body, BodyError};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// Bytes of an answer's body in one frame of a stream. A client that takes this much within the timeout makes progress.
const PIECE: usize = 64 << 10;

thread_local! {
    /// What the last poll of an answer came to, on this thread.
    static LAST: Cell<Step> = const { Cell::new(Step::None) };
}

/// What happened to an answer while its stream's task was polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Nothing: the stream waits for its client.
    None,
    /// A part was handed over.
    Moved,
    /// It waits for the handler.
    Waits,
}

/// Notes that the handler has not answered yet.
pub(super) fn waits_for_handler() {
    LAST.set(Step::Waits);
}

/// An answer's body. The request is in flight until this is dropped.
pub(super) struct Answer {
    inner: Body,
    /// What is left of a frame that is sent in pieces.
    rest: Bytes,
    piece: usize,
    _in_flight: InFlight,
}

impl Answer {
    /// `http2`: large frames are sent in pieces.
    pub(super) fn new(inner: Body, http2: bool, in_flight: InFlight) -> Self {
        Self {
            inner,
            rest: Bytes::new(),
            piece: if http2 { PIECE } else { usize::MAX },
            _in_flight: in_flight,
        }
    }

    fn next_piece(&mut self) -> Option<Frame<Bytes>> {
        let size = self.rest.len().min(self.piece);
        (size > 0).then(|| Frame::data(self.rest.split_to(size)))
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(piece) = self.next_piece() {
            LAST.set(Step::Moved);
            return Poll::Ready(Some(Ok(piece)));
        }
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        LAST.set(if polled.is_pending() {
            Step::Waits
        } else {
            Step::Moved
        });
        match polled {
            Poll::Ready(Some(Ok(frame))) if frame.data_ref().is_some_and(|it| it.len() > self.piece) => {
                self.rest = frame.into_data().unwrap_or_default();
                Poll::Ready(self.next_piece().map(Ok))
            }
            polled => polled,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, rest) = (self.inner.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower().saturating_add(rest));
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}

/// Runs the streams of HTTP/2 connections, and resets those whose client takes nothing of the answer for `timeout`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Streams {
    pub(super) timeout: Duration,
}

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, inner: F) {
        tokio::spawn(Stream {
            inner,
            timeout: self.timeout,
            timer: None,
        });
    }
}

pin_project_lite::pin_project! {
    /// One stream. Dropped before its end, it resets the stream.
    struct Stream<F> {
        #[pin]
        inner: F,
        timeout: Duration,
        timer: Option<Pin<Box<Sleep>>>,
    }
}

impl<F: Future<Output = ()>> Future for Stream<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        LAST.set(Step::None);
        if this.inner.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        match (LAST.get(), this.timer.as_mut()) {
            (Step::Waits, _) => *this.timer = None,
            (Step::Moved, Some(timer)) => timer.as_mut().reset(Instant::now() + *this.timeout),
            (_, None) => *this.timer = Some(Box::pin(tokio::time::sleep(*this.timeout))),
            (Step::None, Some(_)) => {}
        }
        let Some(timer) = this.timer else {
            return Poll::Pending;
        };
        std::task::ready!(timer.as_mut().poll(cx));
        tracing::debug!("a client takes nothing of its answer: the stream is reset");
        Poll::Ready(())
    }
}
