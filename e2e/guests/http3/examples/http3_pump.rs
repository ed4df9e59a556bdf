//! Streams the request's body back through the guest: each chunk is read into its memory, every byte raised by one, and
//! written out again.

use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::wit_bindgen::StreamResult;
use wasip3::{wit_future, wit_stream};

struct Pump;

wasip3::http::service::export!(Pump);

impl wasip3::exports::http::handler::Guest for Pump {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let (_, received) = wit_future::new(|| Ok(()));
        let (mut body, trailers) = Request::consume_body(request, received);
        let (mut out, reader) = wit_stream::new();
        let (response, _sent) = Response::new(Fields::new(), Some(reader), trailers);
        wasip3::spawn_local(async move {
            loop {
                let (result, mut chunk) = body.read(Vec::with_capacity(64 << 10)).await;
                for byte in &mut chunk {
                    *byte = byte.wrapping_add(1);
                }
                let unsent = out.write_all(chunk).await;
                if !unsent.is_empty() || !matches!(result, StreamResult::Complete(_)) {
                    return;
                }
            }
        });
        Ok(response)
    }
}
