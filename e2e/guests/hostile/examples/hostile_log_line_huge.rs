//! Logs 100 MB without the end of a line, then answers. The limit on the length of a line must cut it, or the host keeps all of
//! it in memory; logRate drops the rest.

use std::io::Write as _;

use guest_http::answer;
use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let block = [b'x'; 64 << 10];
    let mut stderr = std::io::stderr();
    for _ in 0..100_000_000 / block.len() {
        if stderr.write_all(&block).is_err() {
            break;
        }
    }
    answer(out, 200, "logged\n");
}
