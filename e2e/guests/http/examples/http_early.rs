//! Writes `?bytes=` bytes (byte n is n modulo 251) of its answer before it calls `response-outparam.set`, ends the body with
//! `?finish=early` before that too, and writes `?more=` bytes after it. With `?url=` it posts the bytes there instead, written before
//! `outgoing-handler.handle`, and answers what comes back. With `?others=` it makes as many answers first, each with as many bytes,
//! that it never sends.

use guest_http::wasip2::http::outgoing_handler;
use guest_http::wasip2::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingRequest, OutgoingResponse, ResponseOutparam,
    Scheme,
};
use guest_http::wasip2::io::streams::OutputStream;
use guest_http::{Query, Reply, answer, read};

guest_http::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let query = Query::of(&request);
    let (bytes, more) = (query.number("bytes", 0), query.number("more", 0));
    if let Some(url) = query.get("url") {
        return post(url, bytes, out);
    }
    let unsent: Vec<_> = (0..query.number("others", 0))
        .map(|_| {
            let (response, body) = opened();
            let stream = body.write().unwrap();
            write(&stream, 0, bytes);
            (stream, body, response)
        })
        .collect();
    let (response, body) = opened();
    let stream = body.write().unwrap();
    write(&stream, 0, bytes);
    if query.get("finish") == Some("early") {
        drop(stream);
        OutgoingBody::finish(body, None).unwrap();
        ResponseOutparam::set(out, Ok(response));
    } else {
        ResponseOutparam::set(out, Ok(response));
        write(&stream, bytes, more);
        drop(stream);
        OutgoingBody::finish(body, None).unwrap();
    }
    drop(unsent);
}

fn opened() -> (OutgoingResponse, OutgoingBody) {
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().unwrap();
    (response, body)
}

fn write(stream: &OutputStream, from: u64, bytes: u64) {
    let all: Vec<u8> = (from..from + bytes).map(|n| (n % 251) as u8).collect();
    for chunk in all.chunks(4096) {
        stream.blocking_write_and_flush(chunk).unwrap();
    }
}

fn post(url: &str, bytes: u64, out: ResponseOutparam) {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let request = OutgoingRequest::new(Fields::new());
    request.set_method(&Method::Post).unwrap();
    request.set_scheme(Some(&Scheme::Http)).unwrap();
    request.set_authority(Some(authority)).unwrap();
    request.set_path_with_query(Some(path)).unwrap();
    let body = request.body().unwrap();
    let stream = body.write().unwrap();
    write(&stream, 0, bytes);
    drop(stream);
    OutgoingBody::finish(body, None).unwrap();
    match outgoing_handler::handle(request, None) {
        Ok(response) => {
            response.subscribe().block();
            match response.get().unwrap().unwrap() {
                Ok(response) => {
                    let mut reply = Reply::start(out, response.status(), Fields::new());
                    if read(response.consume().unwrap(), |chunk| reply.write(chunk)).is_ok() {
                        reply.finish(None);
                    }
                }
                Err(error) => answer(out, 502, format_args!("error {error:?}\n")),
            }
        }
        Err(error) => answer(out, 502, format_args!("error {error:?}\n")),
    }
}
