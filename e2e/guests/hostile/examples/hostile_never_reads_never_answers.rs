//! Takes the request's body, reads nothing of it and waits, with the client's upload stuck behind it. requestTimeout must stop
//! it, and the host must not have kept the upload in memory.

use guest_http::wasip2::clocks::monotonic_clock::subscribe_duration;
use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

fn handle(request: IncomingRequest, _out: ResponseOutparam) {
    let body = request.consume().unwrap();
    let _stream = body.stream().unwrap();
    subscribe_duration(u64::MAX).block();
}
