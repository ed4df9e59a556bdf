//! Ends the program with success in the midst of a request. No limit: that request fails, and the host goes on.

use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

fn handle(_request: IncomingRequest, _out: ResponseOutparam) {
    std::process::exit(0);
}
