//! Makes resources of the host for ever and drops none, which costs the host memory and the guest none. The limit on handles
//! must stop it.

use std::mem::forget;

use guest_http::wasip2::http::types::{Fields, IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

fn handle(_request: IncomingRequest, _out: ResponseOutparam) {
    loop {
        forget(Fields::new());
    }
}
