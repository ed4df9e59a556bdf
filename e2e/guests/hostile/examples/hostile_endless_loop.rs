//! Computes for ever. cpuTime must stop it.

use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

fn handle(_request: IncomingRequest, _out: ResponseOutparam) {
    loop {
        std::hint::spin_loop();
    }
}
