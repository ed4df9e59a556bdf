//! Keeps resources that are as big as they may be: headers of 64 KiB each, for ever. The limit on handles must stop it before
//! they fill the host's memory, or a limit on the bytes that they hold.

use std::mem::forget;

use guest_http::wasip2::http::types::{Fields, IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

fn handle(_request: IncomingRequest, _out: ResponseOutparam) {
    let value = vec![b'x'; 64 << 10];
    loop {
        let fields = Fields::new();
        fields.append("x", &value).unwrap();
        forget(fields);
    }
}
