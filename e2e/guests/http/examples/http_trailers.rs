//! Answers a body followed by the trailer `fish: shoal`.

use guest_http::Reply;
use guest_http::wasip2::http::types::{Fields, IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let headers = Fields::from_list(&[("trailer".to_owned(), b"fish".to_vec())]).unwrap();
    let trailers = Fields::from_list(&[("fish".to_owned(), b"shoal".to_vec())]).unwrap();
    let mut reply = Reply::start(out, 200, headers);
    if reply.write(b"mind the trailer\n") {
        reply.finish(Some(trailers));
    }
}
