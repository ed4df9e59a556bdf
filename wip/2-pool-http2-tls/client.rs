//! Outgoing HTTP: what becomes of one request, from the policy to the last byte of its answer.

use super::answer::{Answer, Held};
use super::connection::{Connection, Two, Unsent};
use super::fault::Fault;
use super::outbound::Outbound;
use super::pool::{Pool, Server, Wanted};
use super::target::Target;
use super::upload::Upload;
use super::{neighbours, tls};
use crate::CallContext;
use http::header::{CONTENT_TYPE, TE};
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
    outbound.allowed(&target.host, target.port)?;
    let request = upload.settle(request).await?;
    let route = Route {
        outbound,
        target,
        server: Server::from(target),
        wanted: wanted(target, &request),
        connect: options.connect_timeout.unwrap_or(PATIENCE),
        first_byte,
    };
    let (connection, answer) = route.send(request).await?;
    let patience = options.between_bytes_timeout.unwrap_or(PATIENCE);
    let held = Held {
        connection,
        server: route.server,
        pool: outbound.pool().clone(),
        progress: upload.progress(),
        _permit: permit,
    };
    let (outbound, target) = (Arc::clone(outbound), target.clone());
    let told = move |fault: Fault| fault.told(&outbound, &target);
    Ok(answer.map(|body| Answer::new(body, patience, held, told).boxed_unsync()))
}

/// What a request may be sent by. gRPC is HTTP/2 and nothing else; without TLS, where nothing is negotiated, it alone is.
fn wanted(target: &Target, request: &Request<WasiBody>) -> Wanted {
    match (is_grpc(request), target.tls) {
        (true, _) => Wanted::Two,
        (false, true) => Wanted::Either,
        (false, false) => Wanted::One,
    }
}

/// Whether it is a call of gRPC. `application/grpc-web` is something else, made for HTTP/1.1.
fn is_grpc(request: &Request<WasiBody>) -> bool {
    let kind = request.headers().get(CONTENT_TYPE);
    let rest = kind.and_then(|it| it.as_bytes().strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ')))
}

/// How a request gets to its server.
struct Route<'a> {
    outbound: &'a Arc<Outbound>,
    target: &'a Target,
    server: Server,
    wanted: Wanted,
    connect: Duration,
    first_byte: Duration,
}

impl Route<'_> {
    /// Sends a request over a connection that was kept, if there is one. Where that turns out to be closed, it is sent once more over a new
    /// one: if nothing of it was sent, or it may come twice.
    async fn send(&self, request: Request<WasiBody>) -> Result<(Connection, Response<Incoming>), Fault> {
        let mut request = request;
        if self.wanted == Wanted::Two {
            // So that proxies don't drop them: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
            let headers = request.headers_mut();
            headers.entry(TE).or_insert(HeaderValue::from_static("trailers"));
        }
        if let Some(kept) = self.pool().take(&self.server, self.wanted) {
            let again = repeatable(&request);
            match self.send_over(kept, request).await {
                Ok(sent) => return Ok(sent),
                Err(Unsent {
                    request: Some(unsent), ..
                }) => request = unsent,
                Err(Unsent { fault, request: None }) => match again {
                    Some(again) if fault.is_closed() => request = again,
                    _ => return Err(fault),
                },
            }
        }
        let opened = timeout(self.connect, self.open()).await;
        let opened = opened.map_err(|_| Fault::ConnectTimeout(self.connect))??;
        if let Connection::Two(two) = &opened {
            self.pool().put(&self.server, Connection::Two(two.clone()));
        }
        let sent = self.send_over(opened, request).await;
        sent.map_err(|unsent| unsent.fault)
    }

    async fn send_over(
        &self,
        mut connection: Connection,
        request: Request<WasiBody>,
    ) -> Result<(Connection, Response<Incoming>), Unsent> {
        let doubt = Doubt::about(self.pool(), &connection);
        let sent = timeout(self.first_byte, connection.send(request, self.target)).await;
        let answer = sent.map_err(|_| Unsent {
            fault: Fault::AnswerTimeout(self.first_byte),
            request: None,
        })??;
        doubt.dispel();
        Ok((connection, answer))
    }

    async fn open(&self) -> Result<Connection, Fault> {
        let Target { host, port, tls, .. } = self.target;
        let stream = Arc::clone(self.outbound).connect(host, *port).await?;
        if !tls {
            return match self.wanted {
                Wanted::Two => Connection::two(stream).await,
                Wanted::One | Wanted::Either => Connection::one(stream).await,
            };
        }
        let config = self.outbound.tls(host, self.wanted);
        let stream = tls::connect(config, host, stream).await?;
        match (tls::speaks_two(&stream), self.wanted) {
            (true, _) => Connection::two(stream).await,
            (false, Wanted::Two) => Err(Fault::NotTwo),
            (false, _) => Connection::one(stream).await,
        }
    }

    fn pool(&self) -> &Pool {
        self.outbound.pool()
    }
}

/// The same request once more, where it may come twice: without a body, and of a method that is idempotent (RFC 9110, 9.2.2).
fn repeatable(request: &Request<WasiBody>) -> Option<Request<WasiBody>> {
    let idempotent = [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE, Method::PUT, Method::DELETE];
    if !request.body().is_end_stream() || !idempotent.contains(request.method()) {
        return None;
    }
    let mut again = Request::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
    again.method_mut().clone_from(request.method());
    again.uri_mut().clone_from(request.uri());
    again.headers_mut().clone_from(request.headers());
    Some(again)
}

/// A connection of HTTP/2 on which a request waits for its answer. If none comes, nobody else should have to wait for one there.
struct Doubt<'a>(&'a Pool, Option<Two>);

impl<'a> Doubt<'a> {
    fn about(pool: &'a Pool, connection: &Connection) -> Self {
        match connection {
            Connection::One(_) => Self(pool, None),
            Connection::Two(two) => Self(pool, Some(two.clone())),
        }
    }

    fn dispel(mut self) {
        self.1 = None;
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if let Some(two) = &self.1 {
            self.0.forget(two);
        }
    }
}

#[cfg(test)]
mod tests;
