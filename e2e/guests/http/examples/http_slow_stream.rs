//! Sends a line every `?ms=` milliseconds (100 unless told), `?n=` times (10 unless told), each flushed at once.

use guest_http::wasip2::clocks::monotonic_clock::subscribe_duration;
use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};
use guest_http::{Query, Reply};

guest_http::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let query = Query::of(&request);
    let (ms, n) = (query.number("ms", 100), query.number("n", 10));
    let mut reply = Reply::ok(out);
    for line in 1..=n {
        if !reply.write(format!("{line}\n").as_bytes()) || !reply.flush() {
            return;
        }
        subscribe_duration(ms * 1_000_000).block();
    }
    reply.finish(None);
}
