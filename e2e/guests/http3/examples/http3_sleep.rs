//! Waits `?ms=` milliseconds (100 unless told) on the clock of WASI 0.3, then answers.

use wasip3::clocks::monotonic_clock::wait_for;
use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::{wit_future, wit_stream};

struct Sleep;

wasip3::http::service::export!(Sleep);

impl wasip3::exports::http::handler::Guest for Sleep {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let ms = target
            .split_once("ms=")
            .and_then(|(_, ms)| ms.parse().ok())
            .unwrap_or(100);
        wait_for(ms * 1_000_000).await;
        let (mut body, reader) = wit_stream::new();
        let (_, trailers) = wit_future::new(|| Ok(None));
        let (response, _sent) = Response::new(Fields::new(), Some(reader), trailers);
        wasip3::spawn_local(async move {
            body.write_all(format!("slept {ms} ms\n").into_bytes()).await;
        });
        Ok(response)
    }
}
