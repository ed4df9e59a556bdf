//! Allocates and writes a MiB at a time for ever, as a leak does. The memory limit must stop it: the allocator gets no more, and
//! Rust aborts.

use std::hint::black_box;

use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

fn handle(_request: IncomingRequest, _out: ResponseOutparam) {
    let mut blocks = Vec::new();
    loop {
        blocks.push(black_box(vec![1u8; 1 << 20]));
    }
}
