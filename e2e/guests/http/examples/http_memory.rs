//! Takes `?mib=` MiB (1 unless told), writes to every page of it, and answers how much that was.

use std::hint::black_box;

use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};
use guest_http::{Query, answer};

guest_http::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let mib = Query::of(&request).number("mib", 1);
    black_box(vec![1u8; (mib as usize) << 20]);
    answer(out, 200, format_args!("{mib} MiB\n"));
}
