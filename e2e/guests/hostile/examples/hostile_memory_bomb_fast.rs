//! Grows its memory by straight instructions until that is refused, without touching a byte of it, and answers "held" with
//! what it got. The memory limit must stop it.

use core::arch::wasm32::{memory_grow, memory_size};

use guest_http::answer;
use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    for pages in [4096, 256, 16, 1] {
        while memory_grow::<0>(pages) != usize::MAX {}
    }
    answer(
        out,
        200,
        format_args!("held at {} KiB\n", memory_size::<0>() * 64),
    );
}
