//! From a request to an answer: admission, the call, its deadline, its body.
//!
//! A call runs on the task of its connection until the head of the answer is there. By then most calls are over: no other task was
//! woken, none was spawned. One that goes on, since it streams its body, gets a task of its own, so that its deadline holds however
//! slowly the client reads; and one that computes goes to the others of its kind.

use crate::call::deadline::{Passed, after, by};
use crate::call::exchange::Exchange;
use crate::call::failure::Failure;
use crate::call::pace::Pace;
use crate::call::request::declares_more_than;
use crate::call::response::{ResponseBody, Writer};
use crate::call::unit::{Cause, Unit};
use crate::call::world::{Call, HttpWorld, Worlds};
use crate::code::linked::LinkError;
use crate::code::resident::Resident;
use http_body::Body as _;
use shoal_capability::{CallContext, RequestId, Trace};
use shoal_engine::{Fault, fair, metered};
use shoal_link::MAX_DEPTH;
use shoal_trigger::http::{Body, Handler, Request, Responding, Response};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use tokio::time::Instant;

/// What logs call a request that came from another service of this process.
pub(crate) const LOCAL: &str = "a request between services";

/// A component behind an HTTP trigger.
pub(crate) struct HttpComponent {
    pub(crate) unit: Arc<Unit>,
    pub(crate) resident: Arc<Resident<Worlds>>,
}

impl HttpComponent {
    /// Makes an instance within the limits of a request, and throws it away.
    pub(crate) async fn try_start(&self) -> Result<(), Fault> {
        let unit = &self.unit;
        let worlds = self.resident.world();
        let limit = unit.limits.request_timeout;
        let made = Box::pin({
            let unit = Arc::clone(unit);
            async move {
                let made = async {
                    let host = |error: LinkError| Fault::Host {
                        text: error.to_string(),
                    };
                    let worlds = worlds.map_err(host)?;
                    let world = worlds.http().map_err(host)?;
                    world.try_instance(&unit, unit.no_request().into()).await
                };
                by(after(Instant::now(), limit), metered(unit.meter(), made)).await
            }
        });
        match fair(unit.meter(), made).await {
            Ok(made) => made,
            Err(Passed) => Err(Fault::Deadline { limit }),
        }
    }
}

impl Handler for HttpComponent {
    fn handle(&self, request: Request) -> Responding {
        let (unit, worlds) = (Arc::clone(&self.unit), self.resident.world());
        Box::pin(async move {
            let id = unit.next_request();
            let world = worlds.as_deref().map_err(Failure::unavailable);
            let world = world.and_then(|it| it.http().map_err(|error| Failure::unavailable(&error)));
            let responded = match world {
                Ok(world) => respond(&unit, world, id, request).await,
                Err(failure) => Err(failure),
            };
            match responded {
                Ok(response) => response,
                Err(failure) => {
                    report(&unit, id, &failure);
                    failure.response(id)
                }
            }
        })
    }
}

async fn respond(
    unit: &Arc<Unit>,
    world: &HttpWorld,
    id: RequestId,
    request: Request,
) -> Result<Response, Failure> {
    check(unit, &request)?;
    let outer: CallContext = request.extensions().get().cloned().unwrap_or_default();
    let start = Instant::now();
    let deadline = before(after(start, unit.limits.request_timeout), &outer);
    let exchange = Exchange::new(Pace::new(start, deadline, &unit.limits));
    let context = context(&request, outer, &exchange)?;
    let place = by(deadline, unit.admission.enter())
        .await
        .map_err(|Passed| exchange.pace.failure())??;
    let call = world.call(unit, Cause { id, context }, request, &exchange);
    let call: Call = {
        let (unit, exchange) = (Arc::clone(unit), Arc::clone(&exchange));
        Box::pin(async move {
            let due = Arc::clone(&exchange);
            let mut call = std::pin::pin!(by(due, metered(unit.meter(), call)));
            let ended = match call.as_mut().await {
                Ok(ended) => ended,
                Err(Passed) => Err(exchange.pace.failure()),
            };
            if ended.is_err() {
                // Before the call is dropped, and with it the writer of a body that would then look complete.
                exchange.fail();
            }
            drop(place);
            ended
        })
    };
    let (mut call, put) = (Some(call), Arc::clone(&exchange));
    // The head is put while the call is polled, so nothing else needs to wake this.
    let first = poll_fn(move |cx| {
        let Some(running) = &mut call else {
            return Poll::Pending;
        };
        match (running.as_mut().poll(cx), put.take()) {
            (Poll::Ready(ended), head) => Poll::Ready((Some(ended), head, None)),
            (Poll::Pending, Some(head)) => {
                put.pace.head(Instant::now());
                Poll::Ready((None, Some(head), call.take()))
            }
            (Poll::Pending, None) => Poll::Pending,
        }
    });
    let (ended, head, rest) = fair(unit.meter(), first).await;
    if let Some(Err(failure)) = ended {
        return Err(cause(unit, &exchange, failure));
    }
    let limit = unit.limits.response_body;
    let response = match head {
        // Whatever the guest makes of a body that broke off: the sender is told why it did.
        Some(Ok(_)) if exchange.request_broken().is_some() => {
            return Err(cause(unit, &exchange, Failure::NoAnswer));
        }
        // Its size is known before the head is sent, so that the sender can still be told.
        Some(Ok(response)) if response.body().size_hint().lower() > limit => {
            return Err(Failure::ResponseBody { limit });
        }
        Some(Ok(response)) => response,
        Some(Err(code)) => return Err(cause(unit, &exchange, Failure::ErrorCode { code })),
        None => return Err(cause(unit, &exchange, Failure::NoAnswer)),
    };
    let writer = rest.map(|call| Writer::new(exchange, spawn(unit, id, call)));
    let origin = (Arc::clone(unit), id);
    Ok(response.map(|body| Body::new(ResponseBody::new(body, limit, writer, origin))))
}

/// Whichever comes first: this deadline, or that of the one who waits for the answer.
pub(crate) fn before(deadline: Instant, outer: &CallContext) -> Instant {
    outer.until().map_or(deadline, |outer| outer.min(deadline))
}

/// What the request carries along to whatever its component calls.
fn context(request: &Request, outer: CallContext, exchange: &Arc<Exchange>) -> Result<CallContext, Failure> {
    if outer.depth > MAX_DEPTH {
        return Err(Failure::TooDeep);
    }
    Ok(CallContext {
        waiting: Some(Arc::clone(exchange) as _),
        trace: Trace::of_headers(request.headers()).or(outer.trace),
        depth: outer.depth,
    })
}

/// What can be refused before an instance is made.
fn check(unit: &Unit, request: &Request) -> Result<(), Failure> {
    let limit = unit.limits.request_body;
    if declares_more_than(request, limit) {
        return Err(Failure::RequestBody { limit });
    }
    let host = request.headers().get(http::header::HOST);
    let named = |host: &http::HeaderValue| !host.is_empty() && host.to_str().is_ok();
    let named = request.uri().authority().is_some() || host.is_some_and(named);
    if !named {
        return Err(Failure::BadRequest {
            reason: "the request names no host (RFC 9110 section 7.2)".to_owned(),
        });
    }
    Ok(())
}

/// Where a request's body was broken off here, what the guest makes of it is beside the point.
fn cause(unit: &Unit, exchange: &Exchange, failure: Failure) -> Failure {
    match exchange.request_broken() {
        Some(why) => Failure::broken(why, unit.limits.request_body),
        None => failure,
    }
}

fn spawn(unit: &Arc<Unit>, id: RequestId, call: Call) -> tokio::task::JoinHandle<()> {
    let unit = Arc::clone(unit);
    // In one piece with the call: once that has failed, the one who reads the body ends this.
    tokio::spawn(async move {
        let failing = Arc::clone(&unit);
        let call = Box::pin(async move {
            if let Err(failure) = call.await {
                report(&failing, id, &failure);
            }
        });
        fair(unit.meter(), call).await;
    })
}

pub(crate) fn report(unit: &Unit, request: RequestId, failure: &Failure) {
    let Unit {
        service, component, ..
    } = unit;
    if failure.by_sender() {
        tracing::debug!(service, component, %request, "{failure}");
    } else {
        tracing::warn!(service, component, %request, "{failure}");
    }
}
