//! What components print and what `tracing` says, on their way to the console.

use crate::console::{Console, Log};
use crate::event::{self, Event, Message};
use serde_json::Value;
use shoal_service::{Hold, Line, LogSink, Logs, Room, Stream};
use std::fmt::Debug;
use std::sync::Arc;
use tracing::field::{Field, Visit};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// Components' logs on the console.
pub(crate) struct ConsoleLogs(pub(crate) Console);

impl Logs for ConsoleLogs {
    fn of(&self, service: &str, component: &str) -> Arc<dyn LogSink> {
        Arc::new(Log::new(self.0.clone(), service, component))
    }
}

impl LogSink for Log {
    fn line(&self, line: Line<'_>) {
        let stream = match line.stream {
            Stream::Stdout => event::Stream::Stdout,
            Stream::Stderr => event::Stream::Stderr,
        };
        Log::line(self, stream, line.request.to_string(), line.bytes);
    }

    fn has_room(&self, _: Stream, hold: Hold) -> bool {
        self.console.has_room(hold)
    }

    fn room(&self, _: Stream, hold: Hold) -> Room {
        Box::pin(self.console.clone().room(hold))
    }

    fn give_up(&self, _: Stream) {
        self.console.give_up();
    }

    fn dropped(&self, bytes: u64) {
        Log::dropped(self, bytes);
    }
}

/// Sends what `tracing` says to the console: warnings of Shoal, more with `-v`, or what `SHOAL_LOG` asks for.
pub(crate) fn install(console: &Console, verbose: u8) {
    let default = match verbose {
        0 => "error,shoal=warn",
        1 => "warn,shoal=debug",
        _ => "debug,shoal=trace",
    };
    let asked = std::env::var("SHOAL_LOG").unwrap_or_default();
    let filter = match EnvFilter::try_new(if asked.is_empty() { default } else { &asked }) {
        Ok(filter) => filter,
        Err(error) => {
            console.warn(format!("SHOAL_LOG is ignored: {error}"));
            EnvFilter::new(default)
        }
    };
    // Fails where a subscriber is there already, as in tests.
    let _ = tracing_subscriber::registry()
        .with(ToConsole(console.clone()).with_filter(filter))
        .try_init();
}

struct ToConsole(Console);

impl<S: Subscriber> Layer<S> for ToConsole {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut message = start(event.metadata());
        event.record(&mut message);
        self.0.send(Event::Message(Box::new(message)));
    }
}

fn start(metadata: &Metadata<'_>) -> Message {
    let (level, target) = (metadata.level().as_str(), metadata.target().to_owned());
    Message {
        level,
        target,
        ..Message::default()
    }
}

impl Visit for Message {
    fn record_str(&mut self, field: &Field, value: &str) {
        let text = value.to_owned();
        match field.name() {
            "message" => self.message = text,
            "service" => self.service = Some(text),
            "component" => self.component = Some(text),
            "request" => self.request = Some(text),
            name => drop(self.fields.insert(name.to_owned(), Value::String(text))),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.fields.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.fields.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.fields.insert(field.name().to_owned(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}
