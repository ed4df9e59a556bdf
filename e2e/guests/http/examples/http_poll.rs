//! Sends a line every `?ms=` milliseconds, `?n=` times (10 unless told): the status that a GET of `?url=` has, or its error.

use guest_http::wasip2::clocks::monotonic_clock::subscribe_duration;
use guest_http::wasip2::http::outgoing_handler;
use guest_http::wasip2::http::types::{
    ErrorCode, Fields, IncomingRequest, OutgoingBody, OutgoingRequest, ResponseOutparam, Scheme,
};
use guest_http::{Query, Reply};

guest_http::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let query = Query::of(&request);
    let (ms, n) = (query.number("ms", 100), query.number("n", 10));
    let mut reply = Reply::ok(out);
    for _ in 0..n {
        let line = match status(query.get("url").unwrap_or("")) {
            Ok(status) => format!("{status}\n"),
            Err(error) => format!("error {error:?}\n"),
        };
        if !reply.write(line.as_bytes()) || !reply.flush() {
            return;
        }
        subscribe_duration(ms * 1_000_000).block();
    }
    reply.finish(None);
}

fn status(url: &str) -> Result<u16, ErrorCode> {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let request = OutgoingRequest::new(Fields::new());
    request.set_scheme(Some(&Scheme::Http)).unwrap();
    request.set_authority(Some(authority)).unwrap();
    request.set_path_with_query(Some(path)).unwrap();
    let body = request.body().unwrap();
    let response = outgoing_handler::handle(request, None)?;
    OutgoingBody::finish(body, None)?;
    response.subscribe().block();
    Ok(response.get().unwrap().unwrap()?.status())
}
