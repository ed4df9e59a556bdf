//! One line of a pod's log: taken apart, and written in both forms. Where lines come from is in `read`.

use crate::console::Console;
use crate::failure::Failure;
use crate::output::{Format, Paint};
use crate::text;
use k8s_openapi::jiff::Timestamp;
use serde::Serialize;
use std::sync::Arc;

/// Bytes that are gathered before they are written.
const GATHER: usize = 32 << 10;

/// Who printed a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Origin {
    pub(super) pod: String,
    pub(super) component: String,
}

/// A line, without its line break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) origin: Arc<Origin>,
    /// When kubelet's record says that it was printed; absent for the rest of a line that was too long.
    pub(super) time: Option<Timestamp>,
    text: Vec<u8>,
}

impl Line {
    /// Takes a line apart that begins with its time, as the API server sends it when asked to.
    pub(super) fn parse(origin: &Arc<Origin>, bytes: &[u8]) -> Self {
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let space = bytes.iter().position(|it| *it == b' ');
        let first = space.and_then(|at| bytes.get(..at));
        let time = first.and_then(|it| std::str::from_utf8(it).ok()?.parse().ok());
        let text = match (time, space) {
            (Some(_), Some(at)) => bytes.get(at + 1..).unwrap_or_default(),
            _ => bytes,
        };
        Self {
            origin: Arc::clone(origin),
            time,
            text: text.to_vec(),
        }
    }

    fn write(&self, format: Format, paint: Paint) -> String {
        let Origin { pod, component } = &*self.origin;
        match format {
            Format::Text => {
                let from = format!("{pod}/{component} |");
                format!("{} {}\n", paint.dim(&from), text::line(&self.text))
            }
            Format::Json => {
                let line = String::from_utf8_lossy(&self.text);
                let value = serde_json::json!({ "pod": pod, "component": component, "time": self.time, "line": line });
                format!("{value}\n")
            }
        }
    }
}

/// Writes lines, many at once. Waits for a slow reader: none is dropped.
pub(super) struct Writer<'a> {
    console: &'a Console,
    paint: Paint,
    gathered: String,
}

impl<'a> Writer<'a> {
    pub(super) fn new(console: &'a Console) -> Self {
        Self {
            console,
            paint: Paint::of(&std::io::stdout()),
            gathered: String::new(),
        }
    }

    pub(super) fn line(&mut self, line: &Line) -> Result<(), Failure> {
        self.gathered
            .push_str(&line.write(self.console.format, self.paint));
        match self.gathered.len() >= GATHER {
            true => self.flush(),
            false => Ok(()),
        }
    }

    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        let text = std::mem::take(&mut self.gathered);
        match text.is_empty() {
            true => Ok(()),
            false => self.console.text(&text).map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Line {
        let origin = Origin {
            pod: "a-1".to_owned(),
            component: "web".to_owned(),
        };
        Line::parse(&Arc::new(origin), bytes)
    }

    #[test]
    fn a_line_is_its_time_and_its_text() {
        let line = parse(b"2026-01-02T03:04:05.000000006Z  two words\x1b\n");
        assert_eq!(line.time.map(|it| it.as_nanosecond() % 1_000_000_000), Some(6));
        assert_eq!(
            line.write(Format::Text, Paint::PLAIN),
            "a-1/web |  two words\\x1b\n"
        );
        assert_eq!(
            line.write(Format::Json, Paint::PLAIN),
            "{\"component\":\"web\",\"line\":\" two words\\u001b\",\"pod\":\"a-1\",\"time\":\"2026-01-02T03:04:05.000000006Z\"}\n"
        );
    }

    #[test]
    fn text_without_a_time_is_kept_whole() {
        for text in ["", "word", "not a time", " "] {
            let line = parse(text.as_bytes());
            assert_eq!((line.time, line.text.as_slice()), (None, text.as_bytes()));
        }
        // An empty line that somebody printed.
        assert_eq!(parse(b"2026-01-02T03:04:05Z \n").text, b"");
    }
}
