//! Writes a byte of its response every 100 ms for ever, so that it is never idle. responseBody must stop it, or cpuTime.

use guest_http::Reply;
use guest_http::wasip2::clocks::monotonic_clock::subscribe_duration;
use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let mut reply = Reply::ok(out);
    while reply.write(b".") && reply.flush() {
        subscribe_duration(100_000_000).block();
    }
}
