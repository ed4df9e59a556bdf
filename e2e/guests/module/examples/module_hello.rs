//! Does what command_hello does, as a core module of WASI preview 1: what runwasi and Docker run.

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
