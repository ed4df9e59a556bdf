//! Tries header names and values that would smuggle a second header or response onto the connection, and headers that are the
//! host's. No limit: each must be refused.

use guest_hostile::Attempts;
use guest_http::wasip2::http::types::{Fields, IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

const INJECTIONS: [(&str, &str); 10] = [
    ("x", "a\r\nset-cookie: b"),
    ("x", "a\nb"),
    ("x", "a\0b"),
    ("x\r\ny", "a"),
    ("x: y", "a"),
    ("", "a"),
    ("connection", "close"),
    ("transfer-encoding", "chunked"),
    ("host", "elsewhere.example"),
    ("upgrade", "h2c"),
];

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let mut attempts = Attempts::default();
    for (name, value) in INJECTIONS {
        attempts.note(
            format_args!("{name:?}: {value:?}"),
            Fields::new().append(name, value.as_bytes()),
        );
    }
    attempts.answer(out);
}
