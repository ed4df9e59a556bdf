//! Computes for `?ms=` milliseconds (100 unless told) of the monotonic clock, then answers.

use std::hint::black_box;

use guest_http::wasip2::clocks::monotonic_clock::now;
use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};
use guest_http::{Query, answer};

guest_http::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let ms = Query::of(&request).number("ms", 100);
    let end = now() + ms * 1_000_000;
    let mut sum = 0u64;
    while now() < end {
        sum = (0..10_000).fold(sum, |sum, n| black_box(sum.wrapping_mul(31).wrapping_add(n)));
    }
    answer(out, 200, format_args!("spun {ms} ms\n"));
}
