//! Returns without an answer. No limit: that request fails, with an error that says so.

use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

fn handle(_request: IncomingRequest, _out: ResponseOutparam) {}
