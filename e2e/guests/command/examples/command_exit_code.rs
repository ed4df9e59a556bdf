//! Exits with the code that its first argument names, by `exit-with-code`: std's own exit knows only success and failure in
//! WASI 0.2.

fn main() {
    let code = std::env::args()
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or(0);
    wasip2::cli::exit::exit_with_code(code);
}
