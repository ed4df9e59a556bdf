//! Starts waits by WASI 0.3 for ever, each a task of the host's, and lets none end. The limit on handles must stop it.

use wasip3::clocks::monotonic_clock::wait_for;
use wasip3::http::types::{ErrorCode, Request, Response};
use wasip3::wit_bindgen::yield_async;

struct Component;

wasip3::http::service::export!(Component);

impl wasip3::exports::http::handler::Guest for Component {
    async fn handle(_request: Request) -> Result<Response, ErrorCode> {
        loop {
            wasip3::spawn_local(wait_for(u64::MAX / 2));
            // Lets the one that was spawned start.
            yield_async().await;
        }
    }
}
