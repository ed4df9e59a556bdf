//! Reads the clock until an hour has passed, the busy way to wait. cpuTime must stop it.

use guest_http::wasip2::clocks::monotonic_clock::now;
use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

fn handle(_request: IncomingRequest, _out: ResponseOutparam) {
    let end = now() + 3_600_000_000_000;
    while now() < end {}
}
