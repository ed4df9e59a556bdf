//! Answers with an error of `wasi:http` in place of a response; its text is `?text=`.

use guest_http::Query;
use guest_http::wasip2::http::types::{ErrorCode, IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let text = Query::of(&request).get("text").unwrap_or("").to_owned();
    ResponseOutparam::set(out, Err(ErrorCode::InternalError(Some(text))));
}
