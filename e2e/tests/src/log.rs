//! What a `shoal -o json` wrote: an event on each line.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};

/// Everything that a process wrote so far, on both streams.
#[derive(Clone, Default)]
pub struct Log {
    lines: Arc<Mutex<Vec<String>>>,
}

impl Log {
    /// Goes on reading until the process closes the stream.
    pub fn follow(&self, stream: impl Read + Send + 'static) {
        let lines = Arc::clone(&self.lines);
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                lines.lock().unwrap_or_else(PoisonError::into_inner).push(text);
                line.clear();
            }
        });
    }

    /// The lines as they were written.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The lines that are events of this kind.
    pub fn events(&self, kind: &str) -> Vec<Value> {
        let parsed = self
            .lines()
            .into_iter()
            .filter_map(|line| serde_json::from_str::<Value>(&line).ok());
        parsed.filter(|event| event["event"] == kind).collect()
    }

    /// What is said of a service: by itself, and about it. One text for each event.
    pub fn of(&self, service: &str) -> Vec<String> {
        let said = |kind: &str, field: &str| {
            let of = self
                .events(kind)
                .into_iter()
                .filter(|event| event["service"] == service);
            of.map(|event| event[field].as_str().unwrap_or_default().to_owned())
                .collect::<Vec<_>>()
        };
        [
            said("log", "line"),
            said("message", "message"),
            said("dropped", "reason"),
        ]
        .concat()
    }

    /// The end of it, for a failed test's message.
    pub fn tail(&self) -> String {
        let lines = self.lines();
        let tail = &lines[lines.len().saturating_sub(40)..];
        let short = |line: &String| line.chars().take(600).collect::<String>();
        tail.iter().map(short).collect::<Vec<_>>().join("\n")
    }
}
