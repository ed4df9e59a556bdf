//! Answers by WASI 0.3, then goes on in a task that never ends, waiting. requestTimeout must stop it.

use wasip3::clocks::monotonic_clock::wait_for;
use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::wit_future;

struct Component;

wasip3::http::service::export!(Component);

impl wasip3::exports::http::handler::Guest for Component {
    async fn handle(_request: Request) -> Result<Response, ErrorCode> {
        let (_, trailers) = wit_future::new(|| Ok(None));
        let (response, _sent) = Response::new(Fields::new(), None, trailers);
        wasip3::spawn_local(async {
            loop {
                wait_for(u64::MAX / 2).await;
            }
        });
        Ok(response)
    }
}
