//! Makes 100,000 timers and polls all of them at once, again and again: each poll costs the host as much as all of them. The
//! limit on handles must stop it, or cpuTime.

use guest_http::wasip2::clocks::monotonic_clock::subscribe_duration;
use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};
use guest_http::wasip2::io::poll::poll;

guest_http::export!(handle);

fn handle(_request: IncomingRequest, _out: ResponseOutparam) {
    let mut timers: Vec<_> = (0..100_000)
        .map(|_| subscribe_duration(3_600_000_000_000))
        .collect();
    timers.push(subscribe_duration(0));
    let all: Vec<_> = timers.iter().collect();
    loop {
        poll(&all);
    }
}
