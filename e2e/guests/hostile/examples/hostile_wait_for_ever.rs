//! Waits in a host call for a moment 584 years ahead: no guest code runs that an epoch could stop. requestTimeout must stop it.

use guest_http::wasip2::clocks::monotonic_clock::subscribe_duration;
use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

fn handle(_request: IncomingRequest, _out: ResponseOutparam) {
    subscribe_duration(u64::MAX).block();
}
