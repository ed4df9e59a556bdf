//! Starts its response and waits for ever, holding the body open. streamIdleTimeout must stop it.

use guest_http::Reply;
use guest_http::wasip2::clocks::monotonic_clock::subscribe_duration;
use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let mut reply = Reply::ok(out);
    reply.write(b"the rest\n");
    reply.flush();
    subscribe_duration(u64::MAX).block();
}
