//! Answers a fixed text with as little as a handler can do. The benches measure this one.

use guest_http::wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

guest_http::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().unwrap();
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().unwrap();
    stream.blocking_write_and_flush(b"hello, world\n").unwrap();
    drop(stream);
    OutgoingBody::finish(body, None).unwrap();
}
