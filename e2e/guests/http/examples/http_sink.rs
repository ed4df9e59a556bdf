//! Reads the whole body as a stream and answers its length and FNV-1a hash, holding one chunk of it at a time.

use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};
use guest_http::{answer, read};

guest_http::export!(handle);

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let (mut bytes, mut hash) = (0, FNV_OFFSET);
    let body = request.consume().unwrap();
    let end = read(body, |chunk| {
        bytes += chunk.len();
        hash = chunk.iter().fold(hash, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME)
        });
        true
    });
    match end {
        Ok(()) => answer(out, 200, format_args!("{bytes} bytes, fnv1a {hash:016x}\n")),
        Err(error) => answer(out, 400, format_args!("after {bytes} bytes: {error}\n")),
    }
}
