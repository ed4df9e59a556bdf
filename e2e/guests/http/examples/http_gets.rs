//! Sends `?count=` GETs to `?url=`, one after the other, and writes the empty body of each after it was sent. Answers `ok`, or 502 and
//! what failed.

use guest_http::client::gets;
use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};
use guest_http::{Query, answer};

guest_http::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let query = Query::of(&request);
    match gets(query.get("url").unwrap_or_default(), query.number("count", 1)) {
        Ok(()) => answer(out, 200, "ok\n"),
        Err(error) => answer(out, 502, format_args!("{error}\n")),
    }
}
