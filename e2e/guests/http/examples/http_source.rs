//! Streams `?bytes=` bytes (1 MiB unless told) in chunks of 64 KiB. Byte n of the body is n modulo 251.

use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};
use guest_http::{Query, Reply};

guest_http::export!(handle);

/// A multiple of 251 near 64 KiB, so that every chunk starts the pattern anew.
const CHUNK: usize = 251 * 261;

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let mut left = Query::of(&request).number("bytes", 1 << 20);
    let chunk: Vec<u8> = (0..CHUNK).map(|n| (n % 251) as u8).collect();
    let mut reply = Reply::ok(out);
    while left > 0 {
        let now = left.min(CHUNK as u64);
        if !reply.write(&chunk[..now as usize]) {
            return;
        }
        left -= now;
    }
    reply.finish(None);
}
