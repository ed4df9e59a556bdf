//! Imports wasi:sockets and connects to `?addr=`, or else to the metadata service of a cloud. Without a grant the service must be
//! refused before it runs, by the name of the import; with one, every address that it does not name.

use std::net::TcpStream;

use guest_hostile::Attempts;
use guest_http::Query;
use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let query = Query::of(&request);
    let mut attempts = Attempts::default();
    for addr in query.all("addr") {
        attempts.note(format_args!("connect {addr}"), TcpStream::connect(addr));
    }
    if query.get("addr").is_none() {
        attempts.note(
            "connect 169.254.169.254:80",
            TcpStream::connect("169.254.169.254:80"),
        );
    }
    attempts.answer(out);
}
