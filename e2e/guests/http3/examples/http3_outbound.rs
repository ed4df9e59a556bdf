//! Sends a GET to `?url=` by the client of wasi:http 0.3 and relays status and body; where that fails, answers 502 and the
//! error code.

use wasip3::http::client;
use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::{wit_future, wit_stream};

struct Outbound;

wasip3::http::service::export!(Outbound);

impl wasip3::exports::http::handler::Guest for Outbound {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let url = target.split_once("url=").map_or("", |(_, url)| url);
        match send(url).await {
            Ok(answer) => {
                let status = answer.get_status_code();
                let (_, received) = wit_future::new(|| Ok(()));
                let (body, trailers) = Response::consume_body(answer, received);
                let (response, _sent) = Response::new(Fields::new(), Some(body), trailers);
                response.set_status_code(status).unwrap();
                Ok(response)
            }
            Err(error) => {
                let (mut body, reader) = wit_stream::new();
                let (_, trailers) = wit_future::new(|| Ok(None));
                let (response, _sent) = Response::new(Fields::new(), Some(reader), trailers);
                response.set_status_code(502).unwrap();
                wasip3::spawn_local(async move {
                    body.write_all(format!("error {error:?}\n").into_bytes()).await;
                });
                Ok(response)
            }
        }
    }
}

async fn send(url: &str) -> Result<Response, ErrorCode> {
    let (scheme, authority, path) = guest_http3::parts(url);
    let (_, trailers) = wit_future::new(|| Ok(None));
    let (request, _sent) = Request::new(Fields::new(), None, trailers, None);
    let invalid = |()| ErrorCode::HttpRequestUriInvalid;
    request.set_scheme(Some(&scheme)).map_err(invalid)?;
    request.set_authority(Some(authority)).map_err(invalid)?;
    request.set_path_with_query(Some(path)).map_err(invalid)?;
    client::send(request).await
}
