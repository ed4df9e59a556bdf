//! Answers in full, then traps. No limit: the answer arrives, and the instance must not be used again.

use guest_http::answer;
use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    answer(out, 200, "answered\n");
    core::arch::wasm32::unreachable();
}
