//! Answers with a header of 8 MiB. The limit on the size of headers must stop it; where the host tells the guest so, it answers
//! "held".

use guest_http::wasip2::http::types::{Fields, IncomingRequest, ResponseOutparam};
use guest_http::{Reply, answer};

guest_http::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let headers = Fields::new();
    match headers.set("huge", &[vec![b'x'; 8 << 20]]) {
        Ok(()) => Reply::start(out, 200, headers).finish(None),
        Err(error) => answer(out, 200, format_args!("held: {error:?}\n")),
    }
}
