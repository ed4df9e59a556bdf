//! Streams the request's body back, chunk by chunk, with the request's headers as `echo-<name>` and its method, scheme, authority and
//! target as `echo-method` and so on.

use guest_http::wasip2::http::types::{Fields, IncomingRequest, Method, ResponseOutparam, Scheme};
use guest_http::{Reply, read};

guest_http::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let headers = Fields::new();
    let set = |name: &str, value: &[u8]| headers.append(name, value).unwrap();
    set("echo-method", method(request.method()).as_bytes());
    set(
        "echo-target",
        request.path_with_query().unwrap_or_default().as_bytes(),
    );
    set(
        "echo-authority",
        request.authority().unwrap_or_default().as_bytes(),
    );
    set(
        "echo-scheme",
        match request.scheme() {
            Some(Scheme::Http) => b"http",
            Some(Scheme::Https) => b"https",
            _ => b"none",
        },
    );
    for (name, value) in request.headers().entries() {
        set(&format!("echo-{name}"), &value);
        if name == "content-type" {
            set("content-type", &value);
        }
    }
    let mut reply = Reply::start(out, 200, headers);
    let body = request.consume().unwrap();
    // Dropping the reply unfinished tells the reader that the body is cut short.
    if read(body, |chunk| reply.write(chunk)).is_ok() {
        reply.finish(None);
    }
}

fn method(method: Method) -> String {
    match method {
        Method::Get => "GET".into(),
        Method::Head => "HEAD".into(),
        Method::Post => "POST".into(),
        Method::Put => "PUT".into(),
        Method::Delete => "DELETE".into(),
        Method::Connect => "CONNECT".into(),
        Method::Options => "OPTIONS".into(),
        Method::Trace => "TRACE".into(),
        Method::Patch => "PATCH".into(),
        Method::Other(name) => name,
    }
}
