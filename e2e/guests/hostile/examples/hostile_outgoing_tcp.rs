//! Opens connections to `?addr=` and keeps them, until one is refused or there are `?n=` (5,000 unless told). outboundConnections
//! must stop it; it answers "held" with how many it got.

use std::net::TcpStream;

use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};
use guest_http::{Query, answer};

guest_http::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let query = Query::of(&request);
    let addr = query.get("addr").unwrap_or("127.0.0.1:80");
    let mut open = Vec::new();
    for n in 0..query.number("n", 5000) {
        match TcpStream::connect(addr) {
            Ok(stream) => open.push(stream),
            Err(error) => return answer(out, 200, format_args!("held after {n}: {error}\n")),
        }
    }
    answer(
        out,
        500,
        format_args!("escaped with {} connections\n", open.len()),
    );
}
