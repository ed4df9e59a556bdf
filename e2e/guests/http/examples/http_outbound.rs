//! Sends a request to `?url=` (with `?method=`, and `?body=` if given) and relays status and body as they stream in; where
//! that fails, answers 502 and the error code.

use guest_http::client;
use guest_http::wasip2::http::outgoing_handler;
use guest_http::wasip2::http::types::{
    ErrorCode, Fields, IncomingRequest, IncomingResponse, OutgoingBody, OutgoingRequest, ResponseOutparam,
};
use guest_http::wasip2::io::streams::OutputStream;
use guest_http::{Query, Reply, answer, read};

guest_http::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let query = Query::of(&request);
    let Some(url) = query.get("url") else {
        return answer(out, 400, "say ?url=\n");
    };
    match send(
        url,
        query.get("method").unwrap_or("GET"),
        query.get("body").unwrap_or(""),
    ) {
        Ok(response) => {
            let mut reply = Reply::start(out, response.status(), Fields::new());
            if read(response.consume().unwrap(), |chunk| reply.write(chunk)).is_ok() {
                reply.finish(None);
            }
        }
        Err(error) => answer(out, 502, format_args!("error {error:?}\n")),
    }
}

fn send(url: &str, method: &str, body: &str) -> Result<IncomingResponse, ErrorCode> {
    let (scheme, authority, path) = client::parts(url);
    let request = OutgoingRequest::new(Fields::new());
    request
        .set_method(&client::method(method))
        .map_err(|()| ErrorCode::HttpRequestMethodInvalid)?;
    request
        .set_scheme(Some(&scheme))
        .map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    request
        .set_authority(Some(authority))
        .map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    request
        .set_path_with_query(Some(path))
        .map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    let outgoing = request.body().unwrap();
    let response = outgoing_handler::handle(request, None)?;
    if !body.is_empty() {
        let stream: OutputStream = outgoing.write().unwrap();
        for chunk in body.as_bytes().chunks(4096) {
            // The response says what went wrong where the connection broke off here.
            let _ = stream.blocking_write_and_flush(chunk);
        }
    }
    OutgoingBody::finish(outgoing, None)?;
    response.subscribe().block();
    response.get().unwrap().unwrap()
}
