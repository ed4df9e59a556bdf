//! Adds small headers for ever. The limit on the size of headers must stop it; where the host tells the guest so, it answers
//! "held" with how many it took.

use guest_http::answer;
use guest_http::wasip2::http::types::{Fields, IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let headers = Fields::new();
    for n in 0u64.. {
        if let Err(error) = headers.append(&format!("h{n}"), b"x") {
            return answer(out, 200, format_args!("held after {n}: {error:?}\n"));
        }
    }
}
