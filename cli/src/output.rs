//! The two forms of output, and colours. What is written is decided by each command.

use clap::ValueEnum;
use serde_json::json;
use std::borrow::Cow;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::process::ExitCode;

/// The form of everything that a command prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// Whether to colour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint(bool);

impl Paint {
    /// No colours.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self(false);

    /// Colours where `stream` is a terminal that shows them and nobody objects (no-color.org).
    pub(crate) fn of(stream: &impl IsTerminal) -> Self {
        let objects = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self(stream.is_terminal() && !objects && !dumb)
    }

    pub(crate) fn bold<'a>(self, text: &'a str) -> Cow<'a, str> {
        self.with("1", text)
    }

    pub(crate) fn dim<'a>(self, text: &'a str) -> Cow<'a, str> {
        self.with("2", text)
    }

    pub(crate) fn red<'a>(self, text: &'a str) -> Cow<'a, str> {
        self.with("1;31", text)
    }

    pub(crate) fn yellow<'a>(self, text: &'a str) -> Cow<'a, str> {
        self.with("1;33", text)
    }

    fn with<'a>(self, code: &str, text: &'a str) -> Cow<'a, str> {
        if self.0 {
            format!("\x1b[{code}m{text}\x1b[0m").into()
        } else {
            text.into()
        }
    }
}

/// Says what is wrong with the arguments, in the form that they ask for as far as they can be understood.
pub(crate) fn usage(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    if error.use_stderr() && asks_for_json(arguments) {
        let text = error.render().to_string();
        let text = text.trim().trim_start_matches("error: ");
        eprintln!("{}", json!({ "error": text }));
    } else {
        // Fails where nobody reads it.
        let _ = error.print();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

fn asks_for_json(arguments: &[OsString]) -> bool {
    let text = |at: usize| arguments.get(at).and_then(|it| it.to_str()).unwrap_or_default();
    (0..arguments.len()).any(|at| match text(at) {
        "-ojson" | "-o=json" | "--output=json" => true,
        "-o" | "--output" => text(at + 1) == "json",
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_recognised_among_arguments_that_are_wrong() {
        let asks = |text: &str| asks_for_json(&text.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert!(asks("shoal up -o json --nonsense"));
        assert!(asks("shoal --output=json up"));
        assert!(asks("shoal -ojson"));
        assert!(!asks("shoal up json -o text"));
    }

    #[test]
    fn colour_is_an_addition_only() {
        assert_eq!(Paint::PLAIN.red("x"), "x");
        assert_eq!(Paint(true).red("x"), "\x1b[1;31mx\x1b[0m");
    }
}
