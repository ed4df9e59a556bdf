//! Waits by WASI 0.3 for a moment centuries ahead, without an answer. requestTimeout must stop it.

use wasip3::clocks::monotonic_clock::wait_for;
use wasip3::http::types::{ErrorCode, Request, Response};

struct Component;

wasip3::http::service::export!(Component);

impl wasip3::exports::http::handler::Guest for Component {
    async fn handle(_request: Request) -> Result<Response, ErrorCode> {
        wait_for(u64::MAX / 2).await;
        Err(ErrorCode::InternalError(None))
    }
}
