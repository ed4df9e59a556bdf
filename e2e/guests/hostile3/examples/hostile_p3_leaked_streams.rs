//! Makes streams of WASI 0.3 for ever and drops neither end. The limit on handles must stop it.

use std::mem::forget;

use wasip3::http::types::{ErrorCode, Request, Response};
use wasip3::wit_stream;

struct Component;

wasip3::http::service::export!(Component);

impl wasip3::exports::http::handler::Guest for Component {
    async fn handle(_request: Request) -> Result<Response, ErrorCode> {
        loop {
            forget(wit_stream::new::<u8>());
        }
    }
}
