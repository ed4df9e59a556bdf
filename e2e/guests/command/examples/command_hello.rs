//! Prints its arguments and environment, copies stdin to stdout, and exits with N where an argument says `exit=N` (WASI 0.2
//! knows success and failure alone, so any other N arrives as 1).

use std::process::ExitCode;

fn main() -> ExitCode {
    for arg in std::env::args().skip(1) {
        println!("arg {arg}");
    }
    for (name, value) in std::env::vars() {
        println!("env {name}={value}");
    }
    eprintln!("to stderr");
    if let Err(error) = std::io::copy(&mut std::io::stdin(), &mut std::io::stdout()) {
        eprintln!("stdin: {error}");
        return ExitCode::from(74);
    }
    let code = std::env::args().find_map(|arg| arg.strip_prefix("exit=")?.parse().ok());
    ExitCode::from(code.unwrap_or(0))
}
