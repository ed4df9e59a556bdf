//! Outgoing HTTP: one request, from the policy to the last byte of its answer.

use super::answer::{Answer, Lease};
use super::connection::{Connection, Unanswered};
use super::fault::Fault;
use super::outbound::Outbound;
use super::pool::Origin;
use super::protocol::Protocol;
use super::target::Target;
use super::upload::{SETTLE, Upload};
use super::{neighbours, tls};
use crate::CallContext;
use http::header::TE;
use http::{HeaderValue, Method, Request, Response};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

/// What is left to do for a request while its answer is read.
pub(crate) type Work = Box<dyn Future<Output = Result<(), Error>> + Send>;

/// How long to wait where the guest did not say. The request that the guest works on ends long before.
const PATIENCE: Duration = Duration::from_secs(600);

/// Sends a request and waits for the head of the answer.
pub(crate) async fn send(
    outbound: Arc<Outbound>,
    mut request: Request<WasiBody>,
    options: Option<RequestOptions>,
    context: CallContext,
) -> Result<(Response<WasiBody>, Work), Error> {
    let options = options.unwrap_or_default();
    let target = Target::of(&request)?;
    if let Some(trace) = &context.trace {
        trace.put_into(request.headers_mut());
    }
    let (request, upload) = Upload::of(request);
    let sent = exchange(&outbound, &target, (request, &upload), (options, context)).await;
    match sent {
        Ok(answer) => Ok((answer, Box::new(upload.finish()))),
        // The reason is the body where it is one of its own making.
        Err(fault) => Err(upload.error().map_or(fault, Fault::Body).told(&outbound, &target)),
    }
}

async fn exchange(
    outbound: &Arc<Outbound>,
    target: &Target,
    (request, upload): (Request<WasiBody>, &Upload),
    (options, context): (RequestOptions, CallContext),
) -> Result<Response<WasiBody>, Fault> {
    let first_byte = options.first_byte_timeout.unwrap_or(PATIENCE);
    if !target.tls
        && let Some(neighbour) = outbound.neighbour(&target.host, target.port)?
    {
        let answer = neighbours::ask(outbound, neighbour, request, target.path.clone(), context);
        let answer = timeout(first_byte, answer).await;
        return Ok(answer.map_err(|_| Fault::AnswerTimeout(first_byte))??);
    }
    let permit = outbound.permit()?;
    // Each request is allowed or not on its own, whether or not there is a connection already.
    outbound.allowed(&target.host, Some((target.port, shoal_api::Protocol::Tcp)))?;
    let request = upload.settle(request, SETTLE).await?;
    let route = Route {
        outbound,
        target,
        upload,
        origin: Origin::from(target),
        protocol: Protocol::of(&request, target),
        connect: options.connect_timeout.unwrap_or(PATIENCE),
        first_byte,
    };
    let (connection, answer) = route.send(request).await?;
    let lease = Lease {
        connection,
        origin: route.origin,
        pool: outbound.pool().clone(),
        _permit: permit,
    };
    let patience = options.between_bytes_timeout.unwrap_or(PATIENCE);
    let progress = upload.progress();
    let (outbound, target) = (Arc::clone(outbound), target.clone());
    let told = move |fault: Fault| fault.told(&outbound, &target);
    Ok(answer.map(|body| Answer::new(body, patience, (lease, progress), told).boxed_unsync()))
}

/// How a request gets to its server.
struct Route<'a> {
    outbound: &'a Arc<Outbound>,
    target: &'a Target,
    upload: &'a Upload,
    origin: Origin,
    protocol: Protocol,
    connect: Duration,
    first_byte: Duration,
}

impl Route<'_> {
    /// Sends a request over a kept connection if there is one. Where the server has closed it, the request is sent once more over a new one,
    /// if nothing of it was sent, or if it may be sent twice.
    async fn send(&self, mut request: Request<WasiBody>) -> Result<(Connection, Response<Incoming>), Fault> {
        if self.protocol == Protocol::Http2 {
            // For proxies, which drop trailers otherwise (gRPC over HTTP/2, "Requests").
            let headers = request.headers_mut();
            headers.entry(TE).or_insert(HeaderValue::from_static("trailers"));
        }
        if let Some(kept) = self.kept() {
            let again = repeatable(&request);
            match self.send_over(kept, request).await {
                Ok(sent) => return Ok(sent),
                Err(Unanswered { fault, unsent }) => match unsent.or(again.filter(|_| fault.is_closed())) {
                    Some(again) => request = again,
                    None => return Err(fault),
                },
            }
        }
        let opened = timeout(self.connect, self.open()).await;
        let opened = opened.map_err(|_| Fault::ConnectTimeout(self.connect))??;
        // Others may use it from now on.
        if let Some(shared) = opened.share() {
            self.outbound.pool().put(self.origin.clone(), shared);
        }
        // Until now the guest had more time to end a body that is likely empty.
        let request = self.upload.settle(request, Duration::ZERO).await?;
        let sent = self.send_over(opened, request).await;
        sent.map_err(|unanswered| unanswered.fault)
    }

    fn kept(&self) -> Option<Connection> {
        let protocol = match (self.upload.is_spoiled(), self.protocol) {
            // Over HTTP/1.1 the request ends its connection, and might not be repeated: it gets a new one.
            (true, Protocol::Http1) => return None,
            // Requests that share a connection of HTTP/2 are told apart.
            (true, _) => Protocol::Http2,
            (false, protocol) => protocol,
        };
        self.outbound.pool().take(&self.origin, protocol)
    }

    async fn send_over(
        &self,
        mut connection: Connection,
        request: Request<WasiBody>,
    ) -> Result<(Connection, Response<Incoming>), Unanswered> {
        let sent = timeout(self.first_byte, connection.send(request, self.target)).await;
        let answer = sent.map_err(|_| Unanswered {
            fault: Fault::AnswerTimeout(self.first_byte),
            unsent: None,
        })??;
        Ok((connection, answer))
    }

    async fn open(&self) -> Result<Connection, Fault> {
        let Target { host, port, tls, .. } = self.target;
        let stream = Arc::clone(self.outbound).connect(host, *port).await?;
        if !tls {
            return match self.protocol {
                Protocol::Http2 => Connection::http2(stream).await,
                Protocol::Http1 | Protocol::Negotiated => Connection::http1(stream).await,
            };
        }
        let stream = tls::connect(self.outbound.tls().config(host, self.protocol), host, stream).await?;
        match (tls::is_http2(&stream), self.protocol) {
            (true, _) => Connection::http2(stream).await,
            (false, Protocol::Http2) => Err(Fault::NoHttp2),
            (false, _) => Connection::http1(stream).await,
        }
    }
}

/// The same request once more, where it may be sent twice: it has no body, and its method is idempotent (RFC 9110, 9.2.2).
fn repeatable(request: &Request<WasiBody>) -> Option<Request<WasiBody>> {
    let idempotent = [
        Method::GET,
        Method::HEAD,
        Method::OPTIONS,
        Method::TRACE,
        Method::PUT,
        Method::DELETE,
    ];
    if !request.body().is_end_stream() || !idempotent.contains(request.method()) {
        return None;
    }
    let mut again = Request::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
    again.method_mut().clone_from(request.method());
    again.uri_mut().clone_from(request.uri());
    again.headers_mut().clone_from(request.headers());
    Some(again)
}

#[cfg(test)]
mod tests;
