//! Sending requests by `wasi:http/outgoing-handler`.

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingResponse, Method, OutgoingBody, OutgoingRequest,
    Scheme,
};

/// A request whose body is still to be written.
pub struct Call {
    /// Its body.
    pub body: OutgoingBody,
    /// The answer to come.
    pub answer: FutureIncomingResponse,
}

impl Call {
    /// Sends a request. A URL without a path leaves the path unset.
    pub fn begin(method: &str, url: &str, headers: &Fields) -> Result<Self, ErrorCode> {
        let (scheme, authority, path) = parts(url);
        let request = OutgoingRequest::new(headers.clone());
        let invalid = |()| ErrorCode::HttpRequestUriInvalid;
        request
            .set_method(&self::method(method))
            .map_err(|()| ErrorCode::HttpRequestMethodInvalid)?;
        request.set_scheme(Some(&scheme)).map_err(invalid)?;
        request.set_authority(Some(authority)).map_err(invalid)?;
        if !path.is_empty() {
            request.set_path_with_query(Some(path)).map_err(invalid)?;
        }
        let body = request.body().unwrap();
        let answer = outgoing_handler::handle(request, None)?;
        Ok(Self { body, answer })
    }
}

/// The parts of a URL: scheme, authority, and the path with the query, which may be empty.
pub fn parts(url: &str) -> (Scheme, &str, &str) {
    let (scheme, rest) = match url.split_once("://") {
        Some(("https", rest)) => (Scheme::Https, rest),
        Some((_, rest)) => (Scheme::Http, rest),
        None => (Scheme::Http, url),
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    (scheme, authority, path)
}

/// Waits for the head of an answer.
pub fn wait(answer: &FutureIncomingResponse) -> Result<IncomingResponse, ErrorCode> {
    answer.subscribe().block();
    answer.get().unwrap().unwrap()
}

/// A method by its name.
pub fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        other => Method::Other(other.to_owned()),
    }
}

/// Sends GETs one after the other, and writes the empty body of each after it was sent: most at once, each tenth once its answer is
/// there. The error says which one failed, and where.
pub fn gets(url: &str, count: u64) -> Result<(), String> {
    for number in 0..count {
        get(url, number % 10 == 9).map_err(|error| format!("{number}: {error}"))?;
    }
    Ok(())
}

fn get(url: &str, late: bool) -> Result<(), String> {
    let Call { body, answer } =
        Call::begin("GET", url, &Fields::new()).map_err(|error| format!("send: {error:?}"))?;
    let stream = body.write().unwrap();
    if late {
        answer.subscribe().block();
    }
    stream
        .blocking_write_and_flush(b"")
        .map_err(|error| format!("write: {error:?}"))?;
    drop(stream);
    OutgoingBody::finish(body, None).map_err(|error| format!("finish: {error:?}"))?;
    let answer = wait(&answer).map_err(|error| format!("answer: {error:?}"))?;
    let mut length = 0;
    crate::read(answer.consume().unwrap(), |chunk| {
        length += chunk.len();
        true
    })?;
    match (answer.status(), length) {
        (200, 1..) => Ok(()),
        (status, length) => Err(format!("{status}, {length} bytes")),
    }
}
