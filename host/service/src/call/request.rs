//! The body of a request on its way to a guest, no larger than allowed.

use crate::call::exchange::{Broken, Exchange};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use shoal_trigger::http::{BodyError, BodyStalled, Request};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use wasmtime_wasi_http::Error;

/// A request's body with a limit.
pub(crate) struct RequestBody<B> {
    inner: B,
    left: u64,
    limit: u64,
    exchange: Arc<Exchange>,
}

/// Puts the limit on a request's body.
pub(crate) fn limited<B>(
    request: http::Request<B>,
    limit: u64,
    exchange: &Arc<Exchange>,
) -> http::Request<RequestBody<B>> {
    request.map(|inner| RequestBody {
        inner,
        left: limit,
        limit,
        exchange: Arc::clone(exchange),
    })
}

/// What a guest is told of a body that broke off.
fn broken(error: BodyError, exchange: &Exchange) -> Error {
    if error.is::<BodyStalled>() {
        exchange.break_request(Broken::Stalled);
        return Error::ConnectionReadTimeout;
    }
    match error.downcast::<hyper::Error>() {
        Ok(error) => Error::Hyper(*error),
        Err(_) => Error::ConnectionTerminated,
    }
}

/// Whether the request says itself that its body is too large (RFC 9110 section 8.6).
pub(crate) fn declares_more_than(request: &Request, limit: u64) -> bool {
    request.body().size_hint().lower() > limit
}

impl<B> Body for RequestBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BodyError>,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Some(Err(broken(error.into(), &self.exchange)))),
            None => return Poll::Ready(None),
        };
        if let Some(data) = frame.data_ref() {
            match self.left.checked_sub(data.len() as u64) {
                Some(left) => self.left = left,
                None => {
                    self.exchange.break_request(Broken::TooLarge);
                    return Poll::Ready(Some(Err(Error::HttpRequestBodySize(Some(self.limit)))));
                }
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::failure::Failure;
    use http_body_util::{BodyExt, StreamBody};
    use std::time::Duration;

    #[tokio::test]
    async fn a_body_that_stalls_is_an_error_for_the_guest_and_408_for_its_sender() {
        let after = Duration::from_secs(60);
        let parts: [Result<_, BodyError>; 2] = [
            Ok(Frame::data(Bytes::from("beginning"))),
            Err(BodyStalled { after }.into()),
        ];
        let exchange = Exchange::new();
        let body = StreamBody::new(futures::stream::iter(parts));
        let mut body = limited(http::Request::new(body), 100, &exchange).into_body();
        assert!(body.frame().await.is_some_and(|frame| frame.is_ok()));
        assert_eq!(exchange.request_broken(), None);
        let frame = body.frame().await;
        assert!(
            matches!(frame, Some(Err(Error::ConnectionReadTimeout))),
            "{frame:?}"
        );
        let broken = exchange.request_broken();
        assert_eq!(broken, Some(Broken::Stalled));
        let answer = broken.map(|why| Failure::broken(why, 100).response(shoal_capability::RequestId(1)));
        assert_eq!(answer.map(|it| it.status().as_u16()), Some(408));
    }
}
