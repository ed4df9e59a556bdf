//! Logs for ever. logRate must drop what is too much, and cpuTime stop the guest.

use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

fn handle(_request: IncomingRequest, _out: ResponseOutparam) {
    for n in 0u64.. {
        println!(
            "{n}: a line of log that nobody will ever want to read, and there are more where it comes from"
        );
    }
}
