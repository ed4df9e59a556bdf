//! The body of an answer, and the connection that it is read from.

use super::connection::Connection;
use super::fault::Fault;
use super::outbound::Permit;
use super::pool::{Origin, Pool};
use super::upload::Progress;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};
use wasmtime_wasi_http::Error;

/// The connection of one request, with its place among the instance's connections. Dropping it closes a connection of HTTP/1.1.
pub(super) struct Lease {
    pub(super) connection: Connection,
    pub(super) origin: Origin,
    pub(super) pool: Pool,
    pub(super) _permit: Permit,
}

impl Lease {
    /// Gives the connection to the next request. One of HTTP/2 is in the pool from the start.
    pub(super) fn keep(self) {
        if matches!(self.connection, Connection::Http1(_)) {
            self.pool.put(self.origin, self.connection);
        }
    }
}

/// The body of an answer, with a limit on how long the next piece may take.
pub(super) struct Answer {
    body: Incoming,
    patience: Duration,
    limit: Pin<Box<Sleep>>,
    /// None once the body was read to its end, or failed.
    lease: Option<Lease>,
    progress: Progress,
    /// Logs what went wrong, and says what the guest is told.
    told: Box<dyn Fn(Fault) -> Error + Send>,
}

impl Answer {
    pub(super) fn new(
        body: Incoming,
        patience: Duration,
        (lease, progress): (Lease, Progress),
        told: impl Fn(Fault) -> Error + Send + 'static,
    ) -> Self {
        let mut answer = Self {
            body,
            patience,
            limit: Box::pin(sleep(patience)),
            lease: Some(lease),
            progress,
            told: Box::new(told),
        };
        if answer.body.is_end_stream() {
            answer.release();
        }
        answer
    }

    /// Gives up the connection, now that the answer is read.
    fn release(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.progress.answered(lease);
        }
    }

    fn fail(&mut self, fault: Fault) -> Error {
        self.lease = None;
        (self.told)(fault)
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
                // Not every reader asks again after the last frame.
                if frame.is_trailers() || self.body.is_end_stream() {
                    self.release();
                }
                return Poll::Ready(Some(Ok(frame)));
            }
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(self.fail(error.into())))),
            Poll::Ready(None) => {
                self.release();
                return Poll::Ready(None);
            }
            Poll::Pending => {}
        }
        ready!(self.limit.as_mut().poll(context));
        let patience = self.patience;
        Poll::Ready(Some(Err(self.fail(Fault::BodyTimeout(patience)))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
