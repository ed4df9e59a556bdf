//! Answers at once without reading a byte of the request, however long it is. No limit: what the client still sends must be
//! dropped, not kept.

use guest_http::answer;
use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    answer(out, 200, "unread\n");
}
