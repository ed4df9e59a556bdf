//! Answers the secret `?name=` as the bytes that it is; 404 where there is none of that name.

use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};
use guest_http::{Query, Reply, answer};

use self::shoal::service::secrets;

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "package shoal:guests; world with-secrets { import shoal:service/secrets@0.1.0; }",
    generate_all,
});
guest_http::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    match secrets::get(Query::of(&request).get("name").unwrap_or("")) {
        Some(secret) => {
            let mut reply = Reply::ok(out);
            if reply.write(&secret) {
                reply.finish(None);
            }
        }
        None => answer(out, 404, "none\n"),
    }
}
