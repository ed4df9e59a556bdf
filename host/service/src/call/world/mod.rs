//! The worlds that a component can be of, and how each is called.

mod callers;
mod events;
mod http2;
mod http3;
mod messages;
mod my_service;
mod program;

pub(crate) use callers::{Callers, Plain, Worlds};
pub(crate) use events::EventWorld;
pub(crate) use http2::Http2;
pub(crate) use http3::Http3;
pub(crate) use my_service::MyService;
pub(crate) use program::Program;

use crate::call::exchange::Exchange;
use crate::call::failure::Failure;
use crate::call::limits::ReuseLimits;
use crate::call::unit::{Cause, Unit};
use crate::code::instances::Instances;
use crate::code::linked::Linked;
use shoal_description::{Description, World};
use shoal_engine::Fault;
use shoal_trigger::http::Request;
use std::pin::Pin;
use std::sync::Arc;

/// A call on its way: it puts the head of the answer into its [`Exchange`] and ends when the guest has.
pub(crate) type Call = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// What a trigger of HTTP can call.
pub(crate) enum HttpWorld {
    /// `wasi:http/proxy` 0.2.
    Http2(Arc<Instances<Http2>>),
    /// `wasi:http/service` 0.3.
    Http3(Arc<Instances<Http3>>),
    /// `shoal:service/my-service`.
    MyService(Arc<Instances<MyService>>),
}

impl HttpWorld {
    /// The world of a component by its exports; none where no trigger can call it.
    pub(crate) fn of(
        description: &Description,
        linked: &Arc<Linked>,
        reuse: Option<ReuseLimits>,
    ) -> Option<wasmtime::Result<Self>> {
        let world = description.request_world()?;
        let pre = match linked.component() {
            Ok(pre) => pre,
            Err(error) => return Some(Err(error)),
        };
        Some(match world {
            World::HttpProxy => Http2::new(pre).map(|it| Self::Http2(Instances::new(it, linked, reuse))),
            World::HttpService => Http3::new(pre).map(|it| Self::Http3(Instances::new(it, linked, reuse))),
            World::MyService => {
                MyService::new(pre).map(|it| Self::MyService(Instances::new(it, linked, reuse)))
            }
            // No request calls them.
            World::MessageService | World::Command => return None,
        })
    }

    /// Its name, for people.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Http2(_) => "wasi:http/proxy@0.2",
            Self::Http3(_) => "wasi:http/service@0.3",
            Self::MyService(_) => "shoal:service/my-service",
        }
    }

    /// Makes an instance and throws it away.
    pub(crate) async fn try_instance(&self, unit: &Unit, cause: Cause) -> Result<(), Fault> {
        match self {
            Self::Http2(instances) => instances.take(unit, cause).await.map(drop),
            Self::Http3(instances) => instances.take(unit, cause).await.map(drop),
            Self::MyService(instances) => instances.take(unit, cause).await.map(drop),
        }
    }

    /// Calls the guest for one request.
    pub(crate) fn call(
        &self,
        unit: &Arc<Unit>,
        cause: Cause,
        request: Request,
        exchange: &Arc<Exchange>,
    ) -> Call {
        let (unit, exchange) = (Arc::clone(unit), Arc::clone(exchange));
        match self {
            Self::Http2(instances) => {
                Box::pin(http2::call(Arc::clone(instances), unit, cause, request, exchange))
            }
            Self::Http3(instances) => {
                Box::pin(http3::call(Arc::clone(instances), unit, cause, request, exchange))
            }
            Self::MyService(instances) => Box::pin(my_service::call(
                Arc::clone(instances),
                unit,
                cause,
                request,
                exchange,
            )),
        }
    }
}
