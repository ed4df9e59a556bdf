//! Answers the status `?code=` (204 unless told) without a body.

use guest_http::wasip2::http::types::{Fields, IncomingRequest, ResponseOutparam};
use guest_http::{Query, Reply};

guest_http::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let code = Query::of(&request).number("code", 204);
    Reply::start(out, code as u16, Fields::new()).finish(None);
}
