//! Ends its response with trailers of 8 MiB, 4 KiB each. The limit on the size of headers must stop it.

use guest_http::Reply;
use guest_http::wasip2::http::types::{Fields, IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let headers = Fields::from_list(&[("trailer".to_owned(), b"t0".to_vec())]).unwrap();
    let trailers = Fields::new();
    for n in 0..2048 {
        trailers.append(&format!("t{n}"), &[b'x'; 4096]).unwrap();
    }
    let mut reply = Reply::start(out, 200, headers);
    if reply.write(b"mind the trailers\n") {
        reply.finish(Some(trailers));
    }
}
