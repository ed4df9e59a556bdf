//! Logs what would forge lines of others or drive a terminal: escape sequences, carriage returns, NUL, broken UTF-8. No limit:
//! none of it may reach a terminal or a log as it is.

use std::io::Write as _;

use guest_http::answer;
use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let mut stdout = std::io::stdout();
    stdout
        .write_all(b"\x1b[2J\x1b]0;owned\x07 clears the screen\n")
        .unwrap();
    stdout
        .write_all(b"a line\rforged by a carriage return\n")
        .unwrap();
    stdout.write_all(b"nul \0 and broken \xff\xfe text\n").unwrap();
    stdout.flush().unwrap();
    answer(out, 200, "logged\n");
}
