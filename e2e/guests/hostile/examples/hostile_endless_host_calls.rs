//! Calls the cheapest function of the host for ever. cpuTime must stop it, counting what the host spends for it.

use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};
use guest_http::wasip2::random::insecure::get_insecure_random_u64;

guest_http::export!(handle);

fn handle(_request: IncomingRequest, _out: ResponseOutparam) {
    loop {
        get_insecure_random_u64();
    }
}
