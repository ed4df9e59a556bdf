//! Promises 1,000 bytes, writes 10 and ends its response as if all was well. No limit: the client must not wait for the rest,
//! and the connection must not serve the next answer in its place.

use guest_http::Reply;
use guest_http::wasip2::http::types::{Fields, IncomingRequest, OutgoingBody, ResponseOutparam};

guest_http::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let headers = Fields::from_list(&[("content-length".to_owned(), b"1000".to_vec())]).unwrap();
    let mut reply = Reply::start(out, 200, headers);
    reply.write(b"0123456789");
    // An error here is what a host does that counts.
    let _ = OutgoingBody::finish(reply.into_body(), None);
}
