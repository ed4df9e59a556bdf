//! Traps in the midst of its response. No limit: the client must see that the body is cut short.

use guest_http::Reply;
use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let mut reply = Reply::ok(out);
    reply.write(b"half of it\n");
    reply.flush();
    core::arch::wasm32::unreachable();
}
