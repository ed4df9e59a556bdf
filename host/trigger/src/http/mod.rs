//! The HTTP trigger: 1.1 and 2 without TLS (h2c by prior knowledge, RFC 9113 section 3.3), with path routes.

mod answer;
mod body;
mod connection;
mod forwarded;
mod routes;
mod server;
mod table;
mod wire;

pub use body::{BodyStalled, RequestBody, WireBody};
pub use forwarded::{CameByTls, Peer, Proxies};
pub use routes::{Routes, Target};
pub use server::{Linger, Running, ServerOptions, serve};

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use std::pin::Pin;

/// A request; its body is read as the handler asks for it.
pub type Request = http::Request<RequestBody>;
/// Why a body ended before its end; the connection is aborted, so that nobody takes a part for the whole.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;
/// The body of an answer.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;
/// An answer.
pub type Response = http::Response<Body>;
/// An answer on its way. It is dropped where the client goes away first.
pub type Responding = Pin<Box<dyn Future<Output = Response> + Send>>;

/// An answer of plain text.
pub fn text(status: http::StatusCode, text: String) -> Response {
    let body = http_body_util::Full::from(text).map_err(|never| match never {});
    let mut response = Response::new(Body::new(body));
    *response.status_mut() = status;
    let kind = http::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    response
}

/// Answers requests.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. What goes wrong is an answer too.
    fn handle(&self, request: Request) -> Responding;
}
