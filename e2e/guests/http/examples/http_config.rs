//! Answers `?name=` from wasi:config/store ("none" where it isn't there), or every entry where no name is given.

use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};
use guest_http::{Query, answer};

use self::wasi::config::store::{self, Error};

wit_bindgen::generate!({ path: "../wit", world: "with-config", generate_all });
guest_http::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let result = match Query::of(&request).get("name") {
        Some(name) => store::get(name).map(|value| value.unwrap_or("none".to_owned()) + "\n"),
        None => store::get_all().map(|entries| {
            entries
                .into_iter()
                .map(|(name, value)| format!("{name}={value}\n"))
                .collect()
        }),
    };
    match result {
        Ok(text) => answer(out, 200, text),
        Err(Error::Upstream(why) | Error::Io(why)) => answer(out, 500, format_args!("error {why}\n")),
    }
}
