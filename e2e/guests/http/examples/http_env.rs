//! Prints what a program is born with: `arg`, `env` and `dir` (preopened directories), one line each.

use std::fmt::Write as _;

use guest_http::answer;
use guest_http::wasip2::filesystem::preopens::get_directories;
use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let mut text = String::new();
    for arg in std::env::args() {
        writeln!(text, "arg {arg}").unwrap();
    }
    for (name, value) in std::env::vars() {
        writeln!(text, "env {name}={value}").unwrap();
    }
    for (_, path) in get_directories() {
        writeln!(text, "dir {path}").unwrap();
    }
    answer(out, 200, text);
}
