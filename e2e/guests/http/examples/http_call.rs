//! Sends a request to `?url=` with `?method=`, each `?header=NAME:VALUE`, `?body=` and each `?trailer=NAME:VALUE`, and tells a line for
//! each thing that came of it: `write`, `finish`, `error` or `status`, `body`, `trailer`.

use std::fmt::Write as _;

use guest_http::client::{Call, wait};
use guest_http::wasip2::http::types::{
    ErrorCode, Fields, FutureTrailers, IncomingBody, IncomingRequest, IncomingResponse, OutgoingBody,
    ResponseOutparam,
};
use guest_http::wasip2::io::streams::StreamError;
use guest_http::{Query, answer};

guest_http::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let mut text = String::new();
    if let Err(error) = call(&Query::of(&request), &mut text) {
        writeln!(text, "error: {error:?}").unwrap();
    }
    answer(out, 200, text);
}

fn fields(query: &Query, name: &str) -> Fields {
    let fields = Fields::new();
    for (name, value) in query.all(name).filter_map(|it| it.split_once(':')) {
        fields.append(name, value.as_bytes()).unwrap();
    }
    fields
}

fn call(query: &Query, text: &mut String) -> Result<(), ErrorCode> {
    let Call { body, answer } = Call::begin(
        query.get("method").unwrap_or("GET"),
        query.get("url").unwrap_or_default(),
        &fields(query, "header"),
    )?;
    let stream = body.write().unwrap();
    match stream.blocking_write_and_flush(query.get("body").unwrap_or_default().as_bytes()) {
        Ok(()) => writeln!(text, "write: ok").unwrap(),
        Err(StreamError::Closed) => writeln!(text, "write: closed").unwrap(),
        Err(StreamError::LastOperationFailed(error)) => {
            writeln!(text, "write: {}", error.to_debug_string()).unwrap();
        }
    }
    drop(stream);
    let trailers = query.get("trailer").map(|_| fields(query, "trailer"));
    match OutgoingBody::finish(body, trailers) {
        Ok(()) => writeln!(text, "finish: ok").unwrap(),
        Err(error) => writeln!(text, "finish: {error:?}").unwrap(),
    }
    relate(&wait(&answer)?, text)
}

fn relate(answer: &IncomingResponse, text: &mut String) -> Result<(), ErrorCode> {
    writeln!(text, "status: {}", answer.status()).unwrap();
    let body = answer.consume().unwrap();
    let stream = body.stream().unwrap();
    let mut whole = Vec::new();
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(chunk) => whole.extend(chunk),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => {
                writeln!(text, "body: {}", error.to_debug_string()).unwrap();
                return Ok(());
            }
        }
    }
    drop(stream);
    writeln!(text, "body: {}", String::from_utf8_lossy(&whole)).unwrap();
    let trailers: FutureTrailers = IncomingBody::finish(body);
    trailers.subscribe().block();
    for (name, value) in trailers
        .get()
        .unwrap()
        .unwrap()?
        .into_iter()
        .flat_map(|it| it.entries())
    {
        writeln!(text, "trailer: {name}: {}", String::from_utf8_lossy(&value)).unwrap();
    }
    Ok(())
}
