//! Sends a line every `?ms=` milliseconds, `?n=` times (10 unless told), as server-sent events are sent.

use wasip3::clocks::monotonic_clock::wait_for;
use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::{wit_future, wit_stream};

struct Ticks;

wasip3::http::service::export!(Ticks);

impl wasip3::exports::http::handler::Guest for Ticks {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let number = |name: &str| {
            let (_, value) = target.split_once(name)?;
            value.split('&').next()?.parse().ok()
        };
        let (ms, n): (u64, u64) = (number("ms=").unwrap_or(100), number("n=").unwrap_or(10));
        let (mut body, reader) = wit_stream::new();
        let (_, trailers) = wit_future::new(|| Ok(None));
        let headers = Fields::new();
        headers.append("content-type", b"text/event-stream").unwrap();
        let (response, _sent) = Response::new(headers, Some(reader), trailers);
        wasip3::spawn_local(async move {
            for line in 1..=n {
                if !body.write_all(format!("{line}\n").into_bytes()).await.is_empty() {
                    return;
                }
                wait_for(ms * 1_000_000).await;
            }
        });
        Ok(response)
    }
}
