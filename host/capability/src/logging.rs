//! `wasi:logging`: a line of the component's log for each call, with its level. It counts as what is written to standard error.

use crate::State;
use crate::logs::{Lines, Stream};
use crate::stdio::Streams;
use crate::views::Views;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use wasmtime::component::{ComponentType, Lift, LinkerInstance};

/// `level`, in the order of the WIT.
#[derive(Clone, Copy, ComponentType, Lift)]
#[expect(dead_code, reason = "only guests make them")]
#[component(enum)]
#[repr(u8)]
enum Level {
    #[component(name = "trace")]
    Trace,
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
    #[component(name = "critical")]
    Critical,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }
}

pub(crate) fn link(l: &mut LinkerInstance<'_, State>, views: &Views) -> wasmtime::Result<()> {
    let place = views.place;
    l.func_wrap_async(
        "log",
        move |mut store, (level, context, message): (Level, String, String)| {
            Box::new(async move {
                let text = entry(level, &context, &message);
                let (streams, hold, request) = {
                    let part = store.data_mut().split(place).part;
                    (part.grants().streams.clone(), part.hold, part.hooks.request)
                };
                match streams {
                    Streams::Null => {}
                    // As for the program's own standard error: who has closed ours reads nothing.
                    Streams::Inherit => {
                        let _ = std::io::stderr().write_all(text.as_bytes());
                    }
                    Streams::Lines(logs) => {
                        if !logs.has_room(Stream::Stderr, hold) {
                            logs.room(Stream::Stderr, hold).await;
                        }
                        let request = Arc::new(AtomicU64::new(request.0));
                        Lines::new(logs, Stream::Stderr, hold, request).write(text.as_bytes());
                    }
                }
                Ok(())
            })
        },
    )
}

/// The line of a call, or lines where the message has several.
fn entry(level: Level, context: &str, message: &str) -> String {
    let level = level.word();
    match context {
        "" => format!("{level} {message}\n"),
        _ => format!("{level} {context}: {message}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_begins_with_its_level() {
        assert_eq!(
            entry(Level::Warn, "http", "it is late"),
            "WARN http: it is late\n"
        );
        assert_eq!(entry(Level::Critical, "", "gone"), "CRITICAL gone\n");
    }
}
