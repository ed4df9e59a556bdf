//! Has the host make and copy a MiB of random bytes for ever, so that nearly all of its time is the host's. cpuTime must stop
//! it.

use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};
use guest_http::wasip2::random::random::get_random_bytes;

guest_http::export!(handle);

fn handle(_request: IncomingRequest, _out: ResponseOutparam) {
    loop {
        get_random_bytes(1 << 20);
    }
}
