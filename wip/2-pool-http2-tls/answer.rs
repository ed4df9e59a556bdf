//! The body of an answer, and what it holds on to until it is read.

use super::connection::Connection;
use super::fault::Fault;
use super::outbound::Permit;
use super::pool::{Pool, Server};
use super::upload::Progress;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};
use wasmtime_wasi_http::Error;

/// What a request has for as long as its answer is read. Dropped before, it closes a connection of HTTP/1.1, and ends the stream of HTTP/2.
pub(super) struct Held {
    pub(super) connection: Connection,
    pub(super) server: Server,
    pub(super) pool: Pool,
    pub(super) progress: Progress,
    pub(super) _permit: Permit,
}

impl Held {
    /// Keeps the connection for the next request, now that the answer is read. One on which the request was not sent to its end is closed.
    fn release(self) {
        if matches!(self.connection, Connection::One(_)) && self.progress.is_clean() {
            self.pool.put(&self.server, self.connection);
        }
    }
}

/// The body of an answer, with a limit on how long the next piece may take.
pub(super) struct Answer {
    body: Incoming,
    patience: Duration,
    limit: Pin<Box<Sleep>>,
    held: Option<Held>,
    /// Logs what went wrong, and says what the guest is told.
    told: Box<dyn Fn(Fault) -> Error + Send>,
}

impl Answer {
    pub(super) fn new(
        body: Incoming,
        patience: Duration,
        held: Held,
        told: impl Fn(Fault) -> Error + Send + 'static,
    ) -> Self {
        let mut answer = Self {
            body,
            patience,
            limit: Box::pin(sleep(patience)),
            held: Some(held),
            told: Box::new(told),
        };
        answer.release_at_end();
        answer
    }

    fn release_at_end(&mut self) {
        if self.body.is_end_stream()
            && let Some(held) = self.held.take()
        {
            held.release();
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                let next = Instant::now() + self.patience;
                self.limit.as_mut().reset(next);
                self.release_at_end();
                return Poll::Ready(Some(Ok(frame)));
            }
            Poll::Ready(Some(Err(error))) => {
                self.held = None;
                return Poll::Ready(Some(Err((self.told)(error.into()))));
            }
            Poll::Ready(None) => {
                if let Some(held) = self.held.take() {
                    held.release();
                }
                return Poll::Ready(None);
            }
            Poll::Pending => {}
        }
        ready!(self.limit.as_mut().poll(context));
        self.held = None;
        Poll::Ready(Some(Err((self.told)(Fault::BodyTimeout(self.patience)))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
