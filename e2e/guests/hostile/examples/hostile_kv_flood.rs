//! Sets new keys with values of 64 KiB for ever. The limit on a store's size must stop it; where the host tells the guest so, it
//! answers "held" with how many it got.

use guest_http::answer;
use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};

use self::wasi::keyvalue::store::open;

wit_bindgen::generate!({ path: "../wit", world: "with-keyvalue", generate_all });
guest_http::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let bucket = open("default").unwrap();
    let value = vec![b'x'; 64 << 10];
    for n in 0u64.. {
        if let Err(error) = bucket.set(&format!("flood-{n}"), &value) {
            return answer(out, 200, format_args!("held after {n}: {error:?}\n"));
        }
    }
}
