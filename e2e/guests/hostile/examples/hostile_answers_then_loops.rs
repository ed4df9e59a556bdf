//! Answers in full, then computes for ever, when nobody waits for it any more. cpuTime must stop it.

use guest_http::answer;
use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    answer(out, 200, "answered\n");
    loop {
        std::hint::spin_loop();
    }
}
