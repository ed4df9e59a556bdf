//! `wasi:http/proxy` 0.2: a handler that sets its answer through an out-parameter.

use crate::call::exchange::Exchange;
use crate::call::failure::Failure;
use crate::call::request::{came_by_tls, limited};
use crate::call::unit::{Cause, Unit};
use crate::code::instances::{Instances, Template};
use shoal_capability::State;
use shoal_trigger::http::Request;
use std::sync::Arc;
use wasmtime::Store;
use wasmtime::component::InstancePre;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyPre};

pub(crate) struct Http2(ProxyPre<State>);

impl Http2 {
    pub(super) fn new(pre: &InstancePre<State>) -> wasmtime::Result<Self> {
        ProxyPre::new(pre.clone()).map(Self)
    }
}

impl Template for Http2 {
    type Instance = Proxy;

    async fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<Proxy> {
        self.0.instantiate_async(store).await
    }
}

pub(super) async fn call(
    instances: Arc<Instances<Http2>>,
    unit: Arc<Unit>,
    cause: Cause,
    request: Request,
    exchange: Arc<Exchange>,
) -> Result<(), Failure> {
    let mut live = instances.take(&unit, cause).await?;
    let limit = unit.limits.request_body;
    let called = async {
        let store = &mut live.store;
        let mut http = store.data_mut().http();
        let scheme = match came_by_tls(request.extensions()) {
            true => Scheme::Https,
            false => Scheme::Http,
        };
        let request = http.new_incoming_request(scheme, limited(request, limit, &exchange))?;
        let answer = Arc::clone(&exchange);
        let out = http.new_response_outparam_from_callback(move |head| {
            answer.put(head.map_err(|code| format!("{code:?}")));
        })?;
        live.instance
            .wasi_http_incoming_handler()
            .call_handle(store, request, out)
            .await
    };
    match called.await {
        Ok(()) => {
            instances.give_back(live);
            Ok(())
        }
        Err(error) => {
            exchange.fail();
            Err(unit.fault(&error, &live.store).into())
        }
    }
}
