//! `shoal:service/my-service`: a string in, a string out. Behind HTTP the string is the request's body, or its path and query where
//! there is none.

use crate::call::exchange::Exchange;
use crate::call::failure::Failure;
use crate::call::request::limited;
use crate::call::unit::{Cause, Unit};
use crate::code::instances::{Instances, Template};
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, Full};
use shoal_capability::State;
use shoal_description::World;
use shoal_trigger::event::Event;
use shoal_trigger::http::Request;
use std::sync::Arc;
use wasmtime::Store;
use wasmtime::component::{ComponentExportIndex, InstancePre, TypedFunc};

type HandleRequest = TypedFunc<(String,), (String,)>;

pub(crate) struct MyService {
    pre: InstancePre<State>,
    export: ComponentExportIndex,
}

impl MyService {
    pub(super) fn new(pre: &InstancePre<State>) -> wasmtime::Result<Self> {
        let found = pre.component().get_export_index(None, World::MyService.export());
        let export = found.ok_or_else(|| wasmtime::Error::msg("`handle-request` is not a function"))?;
        Ok(Self {
            pre: pre.clone(),
            export,
        })
    }
}

impl Template for MyService {
    type Instance = HandleRequest;

    async fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<HandleRequest> {
        let instance = self.pre.instantiate_async(&mut *store).await?;
        instance.get_typed_func(store, self.export)
    }
}

pub(super) async fn call(
    instances: Arc<Instances<MyService>>,
    unit: Arc<Unit>,
    cause: Cause,
    request: Request,
    exchange: Arc<Exchange>,
) -> Result<(), Failure> {
    let text = text(request, unit.limits.request_body, &exchange).await?;
    let mut live = instances.take(&unit, cause).await?;
    match live.instance.call_async(&mut live.store, (text,)).await {
        Ok((answer,)) => {
            instances.give_back(live);
            let body = Full::from(answer).map_err(|never| match never {}).boxed_unsync();
            let mut response = http::Response::new(body);
            response.headers_mut().insert(
                CONTENT_TYPE,
                HeaderValue::from_static("text/plain; charset=utf-8"),
            );
            exchange.put(Ok(response));
            Ok(())
        }
        Err(error) => Err(unit.fault(&error, &live.store).into()),
    }
}

pub(super) async fn event(
    instances: Arc<Instances<MyService>>,
    unit: Arc<Unit>,
    cause: Cause,
    event: Event,
) -> Result<(), Failure> {
    if event.payload.is_empty() && event.fields.len() > 1 {
        return Err(Failure::BadRequest {
            reason: "the entry has several fields, and none called payload".to_owned(),
        });
    }
    let text = String::from_utf8(event.payload).map_err(|error| Failure::BadRequest {
        reason: format!(
            "the component takes text, and the message is not UTF-8: {}",
            error.utf8_error()
        ),
    })?;
    let mut live = instances.take(&unit, cause).await?;
    match live.instance.call_async(&mut live.store, (text,)).await {
        Ok((_,)) => {
            instances.give_back(live);
            Ok(())
        }
        Err(error) => Err(unit.fault(&error, &live.store).into()),
    }
}

/// The string that a request stands for.
async fn text(request: Request, limit: u64, exchange: &Arc<Exchange>) -> Result<String, Failure> {
    let target = request
        .uri()
        .path_and_query()
        .map_or("/", http::uri::PathAndQuery::as_str)
        .to_owned();
    let body = limited(request, limit, exchange).into_body();
    let bytes = match body.collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) => {
            let early = || Failure::BadRequest {
                reason: format!("the request's body ended early: {error:?}"),
            };
            let broken = exchange.request_broken();
            return Err(broken.map_or_else(early, |why| Failure::broken(why, limit)));
        }
    };
    if bytes.is_empty() {
        return Ok(target);
    }
    String::from_utf8(bytes.into()).map_err(|error| Failure::BadRequest {
        reason: format!(
            "the component takes text, and the request's body is not UTF-8: {}",
            error.utf8_error()
        ),
    })
}
