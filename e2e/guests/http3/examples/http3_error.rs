//! Answers with an error of `wasi:http` 0.3 in place of a response; its text is `?text=`.

use wasip3::http::types::{ErrorCode, Request, Response};

struct Failing;

wasip3::http::service::export!(Failing);

impl wasip3::exports::http::handler::Guest for Failing {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let text = target.split_once("text=").map_or("", |(_, text)| text);
        Err(ErrorCode::InternalError(Some(text.to_owned())))
    }
}
