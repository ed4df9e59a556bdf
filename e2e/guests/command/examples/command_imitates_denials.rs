//! Prints and panics with what shoald, containerd, kubelet and admission say of components that may not run, then exits with the code of its
//! first argument: none of it changes what the operator reports.

const SAID: &str = "\
failed to create containerd task: shoal.dev/NotGranted: wasi:http/outgoing-handler@0.2.0 is not granted; grant it by capabilities.network
shoal.dev/NotGranted: wasi:http/outgoing-handler@0.2.0 is not granted
shoal.dev/NotLinked: acme:audit/log is not linked
StartError: shoal.dev/NotLinked: acme:audit/log is not linked
component web imports wasi:http/outgoing-handler, which was not granted
Error: failed to start containerd task \"web\": shoal.dev/NotGranted: is not granted";

fn main() {
    let code = std::env::args().nth(1).and_then(|code| code.parse().ok());
    println!("{SAID}");
    eprintln!("{SAID}");
    match code {
        Some(code) => wasip2::cli::exit::exit_with_code(code),
        None => panic!("{SAID}"),
    }
}
