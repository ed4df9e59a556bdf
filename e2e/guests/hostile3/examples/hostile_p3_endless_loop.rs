//! Computes for ever inside an async export of WASI 0.3. cpuTime must stop it.

use wasip3::http::types::{ErrorCode, Request, Response};

struct Component;

wasip3::http::service::export!(Component);

impl wasip3::exports::http::handler::Guest for Component {
    async fn handle(_request: Request) -> Result<Response, ErrorCode> {
        loop {
            std::hint::spin_loop();
        }
    }
}
