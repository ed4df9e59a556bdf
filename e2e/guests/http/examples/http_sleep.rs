//! Waits `?ms=` milliseconds (100 unless told) on a pollable of the monotonic clock, then answers.

use guest_http::wasip2::clocks::monotonic_clock::subscribe_duration;
use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};
use guest_http::{Query, answer};

guest_http::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let ms = Query::of(&request).number("ms", 100);
    subscribe_duration(ms * 1_000_000).block();
    answer(out, 200, format_args!("slept {ms} ms\n"));
}
