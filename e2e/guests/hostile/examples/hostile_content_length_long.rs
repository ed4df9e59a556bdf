//! Promises 10 bytes and writes 1,000, with a second response in them. No limit: no client may take what follows the tenth byte
//! for an answer.

use guest_http::Reply;
use guest_http::wasip2::http::types::{Fields, IncomingRequest, OutgoingBody, ResponseOutparam};

guest_http::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let headers = Fields::from_list(&[("content-length".to_owned(), b"10".to_vec())]).unwrap();
    let mut reply = Reply::start(out, 200, headers);
    let mut text = b"0123456789HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nforged\n".to_vec();
    text.resize(1000, b'x');
    reply.write(&text);
    let _ = OutgoingBody::finish(reply.into_body(), None);
}
