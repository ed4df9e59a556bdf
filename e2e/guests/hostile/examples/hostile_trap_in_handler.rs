//! Traps before it answers. No limit: that request fails.

use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

fn handle(_request: IncomingRequest, _out: ResponseOutparam) {
    core::arch::wasm32::unreachable();
}
