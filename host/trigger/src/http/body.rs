//! The body of a request: from the wire, or from another service in this process.

use super::{Body, BodyError};
use bytes::Bytes;
use http_body::Body as _;
use http_body::Frame;
use hyper::body::{Incoming, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Sleep;

/// The body of a request.
pub enum RequestBody {
    /// As it comes from the wire.
    Wire(WireBody),
    /// As another service in this process sends it.
    Local(Body),
}

/// The body of a request as it comes from the wire. A client that stops sending it is not waited for for ever.
pub struct WireBody {
    incoming: Incoming,
    timeout: Duration,
    /// Set while the next part is waited for.
    timer: Option<Pin<Box<Sleep>>>,
}

/// A client sent no part of a request's body for too long, while one was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no part of the request's body came within {after:?}")]
pub struct BodyStalled {
    /// How long that was.
    pub after: Duration,
}

impl RequestBody {
    pub(super) fn wire(incoming: Incoming, timeout: Duration) -> Self {
        Self::Wire(WireBody {
            incoming,
            timeout,
            timer: None,
        })
    }
}

impl WireBody {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) {
            self.timer = None;
            return Poll::Ready(frame.map(|it| it.map_err(BodyError::from)));
        }
        let after = self.timeout;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(after)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Some(Err(BodyStalled { after }.into())))
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Wire(body) => body.poll_frame(context),
            Self::Local(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Wire(body) => body.incoming.is_end_stream(),
            Self::Local(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Wire(body) => body.incoming.size_hint(),
            Self::Local(body) => body.size_hint(),
        }
    }
}
