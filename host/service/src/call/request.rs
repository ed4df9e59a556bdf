//! A request on its way to a guest: its whole target, and its body, no larger than allowed.

use crate::call::exchange::{Broken, Exchange};
use crate::call::failure::Failure;
use bytes::Bytes;
use http::header::HOST;
use http::uri::{Authority, Scheme};
use http::{Method, Uri};
use http_body::{Body, Frame, SizeHint};
use shoal_trigger::http::{BodyError, BodyStalled, CameByTls, Request};
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

/// Puts scheme and authority into a request's target. HTTP/1.1 sends the one in `Host` and the other not at all (RFC 9110 section 7.1),
/// and a handler of WASI 0.3 reads both from the target.
pub(crate) fn with_whole_target<B>(request: http::Request<B>) -> Result<http::Request<B>, Failure> {
    if request.method() == Method::CONNECT {
        // Its target is an authority alone (RFC 9110 section 9.3.6).
        return Ok(request);
    }
    let (mut head, body) = request.into_parts();
    let mut target = head.uri.into_parts();
    if target.authority.is_none() {
        let host = head.headers.get(HOST).map_or(&[][..], |host| host.as_bytes());
        let authority = Authority::try_from(host).map_err(|error| Failure::BadRequest {
            reason: format!(
                "the header Host is no host with an optional port (RFC 9110 section 7.2): {error}"
            ),
        })?;
        target.authority = Some(authority);
    }
    target.scheme = Some(match came_by_tls(&head.extensions) {
        true => Scheme::HTTPS,
        false => Scheme::HTTP,
    });
    head.uri = Uri::from_parts(target).map_err(|error| Failure::BadRequest {
        reason: format!("the request's target is no URI: {error}"),
    })?;
    Ok(http::Request::from_parts(head, body))
}

/// Whether a trusted proxy took the request from its client by TLS.
pub(crate) fn came_by_tls(extensions: &http::Extensions) -> bool {
    extensions.get::<CameByTls>().is_some()
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
        self.exchange.pace.moved();
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
    use crate::call::limits::UnitLimits;
    use crate::call::pace::Pace;
    use http_body_util::{BodyExt, StreamBody};
    use std::time::Duration;

    #[test]
    fn a_target_is_whole_or_the_request_is_refused() {
        let whole = |target: &str, host: &str| {
            let request = http::Request::get(target)
                .header(HOST, host)
                .body(())
                .expect("a request");
            with_whole_target(request).map(|it| it.uri().to_string())
        };
        for (target, host, uri) in [
            ("/a?b=c", "example.com", "http://example.com/a?b=c"),
            ("/", "[::1]:8080", "http://[::1]:8080/"),
            ("*", "example.com", "http://example.com*"),
            // Host is ignored beside a target that names one (RFC 9112 section 3.2.2).
            ("http://other/a", "example.com", "http://other/a"),
            ("https://other/a", "example.com", "http://other/a"),
        ] {
            assert_eq!(whole(target, host).ok().as_deref(), Some(uri), "{target} {host}");
        }
        for host in ["", "a b", "a/b"] {
            let refused = whole("/", host).err();
            assert!(matches!(refused, Some(Failure::BadRequest { .. })), "{host:?}");
        }
    }

    #[tokio::test]
    async fn a_body_that_stalls_is_an_error_for_the_guest_and_408_for_its_sender() {
        let after = Duration::from_secs(60);
        let parts: [Result<_, BodyError>; 2] = [
            Ok(Frame::data(Bytes::from("beginning"))),
            Err(BodyStalled { after }.into()),
        ];
        let limits = UnitLimits::from(&shoal_api::Limits::default());
        let now = tokio::time::Instant::now();
        let exchange = Exchange::new(Pace::new(now, now, &limits));
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
