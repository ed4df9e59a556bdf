//! Answers `?bytes=` random bytes (16 unless told) in hex, then as many of the insecure generator, then its seed as two calls in a row
//! give it.

use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};
use guest_http::wasip2::random::{insecure, insecure_seed, random};
use guest_http::{Query, answer};

guest_http::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let bytes = Query::of(&request).number("bytes", 16);
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let secure = hex(random::get_random_bytes(bytes));
    let fast = hex(insecure::get_insecure_random_bytes(bytes));
    let seed = || {
        let (low, high) = insecure_seed::insecure_seed();
        format!("{low:016x}{high:016x}")
    };
    let (first, second) = (seed(), seed());
    answer(out, 200, format_args!("{secure}\n{fast}\n{first}\n{second}\n"));
}
