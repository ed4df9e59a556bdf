//! Services in this process that go by a name of their own: a request to one of them makes no connection. Whether it may be made is the
//! policy's business as ever; who they are, the caller's.

use super::outbound::{Failure, Outbound, Permit};
use crate::CallContext;
use bytes::Bytes;
use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use wasmtime_wasi_http::{Error, WasiBody};

/// The services of this process.
pub trait Neighbours: Send + Sync {
    /// The one that a host's name and a port stand for.
    fn find(&self, host: &str, port: u16) -> Option<Arc<dyn Neighbour>>;
}

/// A service that answers requests.
pub trait Neighbour: Send + Sync {
    /// Answers one. What goes wrong is an answer too.
    fn answer(
        &self,
        request: Request<WasiBody>,
        context: CallContext,
    ) -> Pin<Box<dyn Future<Output = Response<WasiBody>> + Send>>;
}

/// Asks a neighbour in place of a server.
pub(super) async fn ask(
    outbound: &Arc<Outbound>,
    neighbour: Arc<dyn Neighbour>,
    mut request: Request<WasiBody>,
    path: PathAndQuery,
    context: CallContext,
) -> Result<Response<WasiBody>, Failure> {
    let permit = outbound.permit()?;
    if let Some(authority) = request.uri().authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        request.headers_mut().insert(HOST, host);
    }
    let without_body = request.method() == Method::HEAD;
    *request.uri_mut() = Uri::from(path);
    let response = neighbour.answer(request, context).await;
    Ok(response.map(|body| {
        if without_body {
            return http_body_util::Empty::new()
                .map_err(|never| match never {})
                .boxed_unsync();
        }
        Held {
            body,
            _permit: permit,
        }
        .boxed_unsync()
    }))
}

/// A body that keeps its place among the instance's connections for as long as it is read.
struct Held {
    body: WasiBody,
    _permit: Permit,
}

impl Body for Held {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
