//! The service world of `wasi:http` 0.3: an async handler that returns its answer and may go on writing its body.

use crate::call::exchange::Exchange;
use crate::call::failure::Failure;
use crate::call::request::{limited, with_whole_target};
use crate::call::unit::{Cause, Unit};
use crate::code::instances::{Instances, Template};
use futures::channel::oneshot;
use http_body_util::BodyExt;
use shoal_capability::State;
use shoal_trigger::http::Request;
use std::future::{pending, poll_fn};
use std::sync::Arc;
use wasmtime::component::InstancePre;
use wasmtime::{AsContextMut, Store};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::handler::{Prepared, Proxy};
use wasmtime_wasi_http::p3::bindings::ServicePre;

pub(crate) struct Http3(ServicePre<State>);

impl Http3 {
    pub(super) fn new(pre: &InstancePre<State>) -> wasmtime::Result<Self> {
        ServicePre::new(pre.clone()).map(Self)
    }
}

impl Template for Http3 {
    type Instance = Proxy;

    async fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<Proxy> {
        self.0.instantiate_async(store).await.map(Proxy::P3)
    }
}

pub(super) async fn call(
    instances: Arc<Instances<Http3>>,
    unit: Arc<Unit>,
    cause: Cause,
    request: Request,
    exchange: Arc<Exchange>,
) -> Result<(), Failure> {
    let request = with_whole_target(request)?;
    let mut live = instances.take(&unit, cause).await?;
    let request = limited(request, unit.limits.request_body, &exchange).map(BodyExt::boxed_unsync);
    let called = async {
        let (sender, head) = oneshot::channel();
        let store = &mut live.store;
        let prepared = Prepared::new(
            store.as_context_mut(),
            &live.instance,
            request,
            WasiHttpView::http,
            sender,
        )?;
        let answer = Arc::clone(&exchange);
        store
            .run_concurrent(async move |accessor| {
                prepared.run(accessor, pending()).await?;
                match head.await {
                    Ok(Ok(response)) => answer.put(Ok(response)),
                    Ok(Err(error)) => return Err(error),
                    // Nothing was put, which the caller takes for what it is.
                    Err(oneshot::Canceled) => return Ok(()),
                }
                // The body may be written by tasks that outlive the handler.
                poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
                Ok(())
            })
            .await
            .flatten()
    };
    match called.await {
        Ok(()) => {
            instances.give_back(live);
            Ok(())
        }
        Err(error) => {
            exchange.fail();
            if let Some(code) =
                error.downcast_ref::<wasmtime_wasi_http::p3::bindings::http::types::ErrorCode>()
            {
                return Err(Failure::ErrorCode {
                    code: format!("{code:?}"),
                });
            }
            Err(unit.fault(&error, &live.store).into())
        }
    }
}
