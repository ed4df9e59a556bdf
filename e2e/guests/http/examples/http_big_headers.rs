//! Answers with `?n=` headers (8 unless told) of `?bytes=` bytes each (1024 unless told).

use guest_http::wasip2::http::types::{Fields, IncomingRequest, ResponseOutparam};
use guest_http::{Query, Reply, answer};

guest_http::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let query = Query::of(&request);
    let value = vec![b'x'; query.number("bytes", 1024) as usize];
    let headers = Fields::new();
    for n in 1..=query.number("n", 8) {
        if let Err(error) = headers.append(&format!("big-{n}"), &value) {
            return answer(out, 507, format_args!("header {n}: {error:?}\n"));
        }
    }
    Reply::start(out, 200, headers).finish(None);
}
