//! Starts timers for ever and drops none. The limit on handles must stop it.

use std::mem::forget;

use guest_http::wasip2::clocks::monotonic_clock::subscribe_duration;
use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

fn handle(_request: IncomingRequest, _out: ResponseOutparam) {
    for n in 0.. {
        forget(subscribe_duration(3_600_000_000_000 + n));
    }
}
