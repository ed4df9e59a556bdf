//! Asks the host for `?bytes=` random bytes in one call (2^62 unless told). The host must refuse before it allocates: the limit
//! on what one call may ask for.

use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};
use guest_http::wasip2::random::random::get_random_bytes;
use guest_http::{Query, answer};

guest_http::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let bytes = get_random_bytes(Query::of(&request).number("bytes", 1 << 62));
    answer(out, 500, format_args!("got {} bytes\n", bytes.len()));
}
