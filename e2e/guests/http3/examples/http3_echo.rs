//! Streams the request's body and trailers back without reading a byte of them: the host joins the two ends. What the request says of
//! itself comes back as `echo-scheme`, `echo-authority`, `echo-target` and `echo-<header>`.

use wasip3::http::types::{ErrorCode, Fields, Request, Response, Scheme};
use wasip3::wit_future;

struct Echo;

wasip3::http::service::export!(Echo);

impl wasip3::exports::http::handler::Guest for Echo {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let headers = Fields::new();
        if let Some(target) = request.get_path_with_query() {
            headers.append("echo-target", target.as_bytes()).unwrap();
        }
        let scheme = match request.get_scheme() {
            Some(Scheme::Http) => "http",
            Some(Scheme::Https) => "https",
            _ => "none",
        };
        headers.append("echo-scheme", scheme.as_bytes()).unwrap();
        if let Some(authority) = request.get_authority() {
            headers.append("echo-authority", authority.as_bytes()).unwrap();
        }
        for (name, value) in request.get_headers().copy_all() {
            headers.append(&format!("echo-{name}"), &value).unwrap();
        }
        let (_, received) = wit_future::new(|| Ok(()));
        let (body, trailers) = Request::consume_body(request, received);
        let (response, _sent) = Response::new(headers, Some(body), trailers);
        Ok(response)
    }
}
