//! The body of an answer on its way from a guest: no larger than allowed, and never a part that looks like the whole.

use crate::call::exchange::Exchange;
use crate::call::failure::Failure;
use crate::call::respond::report;
use crate::call::unit::Unit;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use shoal_capability::RequestId;
use shoal_trigger::http::BodyError;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use wasmtime_wasi_http::WasiBody;

/// An answer's body with a limit, and the call that is still writing it.
pub(crate) struct ResponseBody {
    inner: WasiBody,
    left: u64,
    limit: u64,
    writer: Option<Writer>,
    /// Whose answer it is, for the log.
    origin: (Arc<Unit>, RequestId),
}

/// The call that writes a body. It ends with the body's reader, unless the body was read to its end.
pub(crate) struct Writer {
    exchange: Arc<Exchange>,
    task: Option<JoinHandle<()>>,
}

impl Writer {
    pub(crate) fn new(exchange: Arc<Exchange>, task: JoinHandle<()>) -> Self {
        Self {
            exchange,
            task: Some(task),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

/// The limit was exceeded or the call failed, after the head had been sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cut {
    #[error("limits.responseBody: the component's answer has more than the {limit} bytes allowed")]
    TooLarge { limit: u64 },
    #[error("the component ended before its answer did")]
    Unfinished,
}

impl ResponseBody {
    pub(crate) fn new(
        inner: WasiBody,
        limit: u64,
        writer: Option<Writer>,
        origin: (Arc<Unit>, RequestId),
    ) -> Self {
        Self {
            inner,
            left: limit,
            limit,
            writer,
            origin,
        }
    }

    fn at_end(&mut self) -> Result<(), Cut> {
        let Some(mut writer) = self.writer.take() else {
            return Ok(());
        };
        writer.exchange.pace.ended(Instant::now());
        // A body that was made of a request's body that broke off is no whole either.
        if writer.exchange.failed() || writer.exchange.request_broken().is_some() {
            return Err(Cut::Unfinished);
        }
        // Work that a guest does after its answer is its own; its deadline goes on.
        writer.task = None;
        Ok(())
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Some(Err(format!("{error:?}").into()))),
            None => return Poll::Ready(self.at_end().err().map(|cut| Err(cut.into()))),
        };
        if let Some(data) = frame.data_ref() {
            if let Some(writer) = &self.writer {
                writer.exchange.pace.moved();
            }
            match self.left.checked_sub(data.len() as u64) {
                Some(left) => self.left = left,
                None => {
                    let limit = self.limit;
                    let (unit, request) = &self.origin;
                    report(unit, *request, &Failure::ResponseBody { limit });
                    return Poll::Ready(Some(Err(Cut::TooLarge { limit }.into())));
                }
            }
        } else if let Err(cut) = self.at_end() {
            return Poll::Ready(Some(Err(cut.into())));
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.writer.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
