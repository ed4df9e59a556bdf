//! Polls for ever what is always ready: each call enters the host's scheduler and returns at once. cpuTime must stop it, and
//! others on the same thread must get their turns.

use guest_http::wasip2::clocks::monotonic_clock::subscribe_duration;
use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

fn handle(_request: IncomingRequest, _out: ResponseOutparam) {
    let ready = subscribe_duration(0);
    loop {
        ready.block();
    }
}
