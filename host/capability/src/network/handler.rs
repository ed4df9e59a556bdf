//! How a component sends a request: `wasi:http/outgoing-handler` 0.2, and `wasi:http/client` 0.3. Wasmtime's refuse a request whose path was
//! never set. Both interfaces say that the path is empty then.

use crate::State;
use crate::views::Http;
use http::uri::PathAndQuery;
use wasmtime::StoreContextMut;
use wasmtime::component::{Accessor, LinkerInstance, Resource};
use wasmtime_wasi_http::p2::bindings::http::outgoing_handler::{self, Host as _};
use wasmtime_wasi_http::p2::types::{HostFutureIncomingResponse, HostOutgoingRequest};
use wasmtime_wasi_http::p3::bindings::http::client::HostWithStore as _;
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::p3::{Request, Response};
use wasmtime_wasi_http::{RequestOptions, WasiHttp};

/// What a component of 0.2 sends, and gets.
type Outgoing = (Resource<HostOutgoingRequest>, Option<Resource<RequestOptions>>);
type Handled = Result<Resource<HostFutureIncomingResponse>, outgoing_handler::ErrorCode>;

/// Links `wasi:http/outgoing-handler` 0.2.
pub(crate) fn link2(it: &mut LinkerInstance<'_, State>, http: Http) -> wasmtime::Result<()> {
    it.func_wrap(
        "handle",
        move |mut store: StoreContextMut<'_, State>, (request, options): Outgoing| {
            let mut view = http(store.data_mut());
            view.table
                .get_mut(&request)?
                .path_with_query
                .get_or_insert_with(|| "/".to_owned());
            let handled: Handled = match view.handle(request, options) {
                Ok(answer) => Ok(answer),
                Err(error) => Err(error.downcast()?),
            };
            Ok((handled,))
        },
    )
}

/// What a component of 0.3 gets.
type Sent = Result<Resource<Response>, ErrorCode>;

/// Links `wasi:http/client` 0.3.
pub(crate) fn link3(it: &mut LinkerInstance<'_, State>, http: Http) -> wasmtime::Result<()> {
    it.func_wrap_concurrent(
        "send",
        move |accessor: &Accessor<State>, (request,): (Resource<Request>,)| {
            Box::pin(async move {
                let accessor = accessor.with_getter::<WasiHttp>(http);
                accessor.with(|mut store| {
                    let view = store.get();
                    let request = view.table.get_mut(&request)?;
                    let path = || PathAndQuery::from_static("/");
                    request.path_with_query.get_or_insert_with(path);
                    wasmtime::Result::<()>::Ok(())
                })?;
                let sent: Sent = match WasiHttp::send(&accessor, request).await {
                    Ok(answer) => Ok(answer),
                    Err(error) => Err(error.downcast()?),
                };
                Ok((sent,))
            })
        },
    )
}
