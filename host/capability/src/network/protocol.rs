//! Which HTTP a request goes by (decision 0111).

use super::target::Target;
use http::Request;
use http::header::CONTENT_TYPE;

/// The HTTP of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, and nothing else.
    Http2,
    /// What the server chooses (ALPN, RFC 7301).
    Negotiated,
}

impl Protocol {
    /// The HTTP that a request needs. gRPC is HTTP/2. Nothing is negotiated without TLS, so HTTP/2 is for gRPC alone there.
    pub(super) fn of<B>(request: &Request<B>, target: &Target) -> Self {
        match (is_grpc(request), target.tls) {
            (true, _) => Self::Http2,
            (false, true) => Self::Negotiated,
            (false, false) => Self::Http1,
        }
    }
}

/// Whether a request is a call of gRPC. `application/grpc-web` is made for HTTP/1.1.
fn is_grpc<B>(request: &Request<B>) -> bool {
    let kind = request.headers().get(CONTENT_TYPE);
    let rest = kind.and_then(|it| it.as_bytes().strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_is_http_2_and_all_else_is_negotiated_or_http_1() {
        let grpc = [
            "application/grpc",
            "application/grpc+proto",
            "application/grpc;a=b",
        ];
        let other = ["application/grpc-web", "application/grpcx", "text/plain"];
        let protocol = |kind: &str, uri: &str| {
            let request = Request::post(uri).header(CONTENT_TYPE, kind).body(()).unwrap();
            let target = Target::of(&request).unwrap();
            Protocol::of(&request, &target)
        };
        for kind in grpc {
            assert_eq!(protocol(kind, "http://a/"), Protocol::Http2, "{kind}");
            assert_eq!(protocol(kind, "https://a/"), Protocol::Http2, "{kind}");
        }
        for kind in other {
            assert_eq!(protocol(kind, "http://a/"), Protocol::Http1, "{kind}");
            assert_eq!(protocol(kind, "https://a/"), Protocol::Negotiated, "{kind}");
        }
    }
}
