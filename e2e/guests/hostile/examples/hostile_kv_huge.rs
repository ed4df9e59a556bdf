//! Sets a value of 32 MiB, then a key of 32 MiB. The limits on the size of a value and of a key must refuse both.

use guest_hostile::Attempts;
use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};

use self::wasi::keyvalue::store::open;

wit_bindgen::generate!({ path: "../wit", world: "with-keyvalue", generate_all });
guest_http::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let bucket = open("default").unwrap();
    let huge = "x".repeat(32 << 20);
    let mut attempts = Attempts::default();
    attempts.note("a value of 32 MiB", bucket.set("huge", huge.as_bytes()));
    attempts.note("a key of 32 MiB", bucket.set(&huge, b"x"));
    attempts.answer(out);
}
