//! `wasi:http/outgoing-handler` 0.2. Wasmtime's refuses a request whose path was never set; the interface says that it is an empty one.

use crate::State;
use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, Resource};
use wasmtime_wasi_http::RequestOptions;
use wasmtime_wasi_http::WasiHttpCtxView;
use wasmtime_wasi_http::p2::bindings::http::outgoing_handler::{ErrorCode, Host as _};
use wasmtime_wasi_http::p2::types::{HostFutureIncomingResponse, HostOutgoingRequest};

/// How a host function finds what it works on.
type Http = fn(&mut State) -> WasiHttpCtxView<'_>;

type Request = (Resource<HostOutgoingRequest>, Option<Resource<RequestOptions>>);
type Sent = Result<Resource<HostFutureIncomingResponse>, ErrorCode>;

pub(crate) fn link(it: &mut LinkerInstance<'_, State>, http: Http) -> wasmtime::Result<()> {
    it.func_wrap(
        "handle",
        move |mut store: StoreContextMut<'_, State>, (request, options): Request| {
            let mut view = http(store.data_mut());
            view.table
                .get_mut(&request)?
                .path_with_query
                .get_or_insert_with(|| "/".to_owned());
            let sent: Sent = match view.handle(request, options) {
                Ok(answer) => Ok(answer),
                Err(error) => Err(error.downcast()?),
            };
            Ok((sent,))
        },
    )
}
