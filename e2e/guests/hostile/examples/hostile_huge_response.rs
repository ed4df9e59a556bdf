//! Writes its response for ever, as fast as the reader takes it. The responseBody limit must stop it.

use guest_http::Reply;
use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let mut reply = Reply::ok(out);
    while reply.write(&[b'x'; 64 << 10]) {}
}
