//! Writes `?lines=` lines (1 unless told) of `?text=` to stdout and as many to stderr, then answers.

use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};
use guest_http::{Query, answer};

guest_http::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let query = Query::of(&request);
    let text = query.get("text").unwrap_or("a line");
    for n in 1..=query.number("lines", 1) {
        println!("stdout {n}: {text}");
        eprintln!("stderr {n}: {text}");
    }
    answer(out, 200, "logged\n");
}
