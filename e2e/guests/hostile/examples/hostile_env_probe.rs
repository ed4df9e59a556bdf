//! Looks for whatever leaks in from the machine: variables, arguments, a working directory, preopened directories, a terminal.
//! No limit: without a grant there must be none of it.

use guest_hostile::Attempts;
use guest_http::wasip2::cli::{environment, terminal_stderr, terminal_stdin, terminal_stdout};
use guest_http::wasip2::filesystem::preopens::get_directories;
use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let mut attempts = Attempts::default();
    let mut found = |what: &str, items: Vec<String>| {
        let found = if items.is_empty() { Err("none") } else { Ok(()) };
        attempts.note(format_args!("{what} {}", items.join(" ")), found);
    };
    let variables = environment::get_environment().into_iter();
    found(
        "variables",
        variables.map(|(name, value)| format!("{name}={value}")).collect(),
    );
    // The first is the name that the manifest gives the component.
    found(
        "arguments",
        environment::get_arguments().into_iter().skip(1).collect(),
    );
    found(
        "working directory",
        environment::initial_cwd().into_iter().collect(),
    );
    found(
        "directories",
        get_directories().into_iter().map(|(_, path)| path).collect(),
    );
    let terminals = [
        terminal_stdin::get_terminal_stdin().map(|_| "stdin".to_owned()),
        terminal_stdout::get_terminal_stdout().map(|_| "stdout".to_owned()),
        terminal_stderr::get_terminal_stderr().map(|_| "stderr".to_owned()),
    ];
    found("terminals", terminals.into_iter().flatten().collect());
    attempts.answer(out);
}
