//! The one writer of standard output and error. Events wait for a thread of its own, since threads that send them may run guests and
//! must not wait for a slow terminal; guests wait where there is no room (`logs`). Results are written by the command itself.

use crate::Outcome;
use crate::event::{Event, Message, Origin, Stream};
use crate::failure::Failure;
use crate::output::{Format, Paint};
use crate::progress::Bars;
use serde::Serialize;
use shoal_service::Hold;
use std::io::{self, ErrorKind, Write};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use tokio::sync::Notify;

/// Bytes of events that wait to be written; more are dropped and counted.
const MAX_WAITING: usize = 8 << 20;
/// From here on guests that print wait for the reader.
const HOLD: usize = MAX_WAITING / 2;
/// How long the end of the program waits for somebody to read what was written before.
const CLOSE: Duration = Duration::from_secs(2);

/// Where output goes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Console {
    pub(crate) format: Format,
    pub(crate) bars: Bars,
    queue: Arc<Queue>,
}

struct Queue {
    sender: Sender<Item>,
    waiting: AtomicUsize,
    lost: AtomicU64,
    /// The reader has read nothing for so long that no answer waits for it any more.
    is_unread: AtomicBool,
    /// Which guests wait for room.
    room: Notify,
}

impl Queue {
    fn has_room(&self, hold: Hold) -> bool {
        let unread = hold == Hold::WhileRead && self.is_unread.load(Ordering::SeqCst);
        unread || self.waiting.load(Ordering::SeqCst) < HOLD
    }

    /// So much was written; answers how many events were dropped meanwhile.
    fn written(&self, bytes: usize) -> u64 {
        let before = self.waiting.fetch_sub(bytes, Ordering::SeqCst);
        self.is_unread.store(false, Ordering::SeqCst);
        if before.saturating_sub(bytes) < HOLD {
            self.room.notify_waiters();
        }
        self.lost.swap(0, Ordering::Relaxed)
    }
}

enum Item {
    Event(Box<Event>),
    /// Everything before this has been written.
    Flush(Sender<()>),
}

/// What the writing thread knows.
struct Writer {
    format: Format,
    bars: Bars,
    stdout: Paint,
    stderr: Paint,
}

impl Console {
    pub(crate) fn start(format: Format) -> Self {
        let (sender, receiver) = channel();
        let bars = Bars::new(format);
        let queue = Arc::new(Queue {
            sender,
            waiting: AtomicUsize::new(0),
            lost: AtomicU64::new(0),
            is_unread: AtomicBool::new(false),
            room: Notify::new(),
        });
        let console = Self {
            format,
            bars: bars.clone(),
            queue,
        };
        let writer = Writer {
            format,
            bars,
            stdout: Paint::of(&io::stdout()),
            stderr: Paint::of(&io::stderr()),
        };
        let queue = Arc::downgrade(&console.queue);
        std::thread::spawn(move || {
            let written = |bytes| queue.upgrade().map_or(0, |queue| queue.written(bytes));
            writer.work(&receiver, written);
        });
        console
    }

    /// Writes an event, soon. Never waits: what guests and warnings say is dropped where nobody reads fast enough.
    pub(crate) fn send(&self, event: Event) {
        let bytes = event.size();
        let chatter = matches!(event, Event::Log { .. } | Event::Message(_));
        let waiting = self.queue.waiting.fetch_add(bytes, Ordering::SeqCst);
        if chatter && waiting + bytes > MAX_WAITING {
            self.queue.waiting.fetch_sub(bytes, Ordering::SeqCst);
            self.queue.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        // The other end is gone only where its thread was: then nobody can be told.
        let _ = self.queue.sender.send(Item::Event(Box::new(event)));
    }

    /// Whether a guest may print now.
    pub(crate) fn has_room(&self, hold: Hold) -> bool {
        self.queue.has_room(hold)
    }

    /// Waits until a guest may print.
    pub(crate) async fn room(self, hold: Hold) {
        loop {
            let mut woken = pin!(self.queue.room.notified());
            // From here on no call is missed.
            woken.as_mut().enable();
            if self.has_room(hold) {
                return;
            }
            woken.await;
        }
    }

    /// No answer waits for the reader any more, until it reads again.
    pub(crate) fn give_up(&self) {
        self.queue.is_unread.store(true, Ordering::SeqCst);
        self.queue.room.notify_waiters();
    }

    /// Prints what a command was asked for: `text` for people, `value` for programs.
    pub(crate) fn result(&self, value: &impl Serialize, text: impl FnOnce() -> String) -> Outcome {
        match self.format {
            Format::Text => self.text(&text()),
            Format::Json => {
                let mut json = serde_json::to_string(value).map_err(Failure::new)?;
                json.push('\n');
                self.text(&json)
            }
        }
    }

    /// Prints text as it is, whatever the format.
    pub(crate) fn text(&self, text: &str) -> Outcome {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => Ok(0),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::Unread),
            Err(error) => Err(Failure::new(format!("cannot write to standard output: {error}"))),
        }
    }

    /// Says why the command failed.
    pub(crate) fn failure(&self, failure: &Failure) {
        self.flush();
        let text = match (self.format, failure) {
            (_, Failure::Unread) => return,
            (Format::Text, _) => failure.text(&Paint::of(&io::stderr()).red("error:")),
            (Format::Json, _) => failure.json().to_string(),
        };
        eprintln!("{text}");
    }

    /// A warning of the command itself.
    pub(crate) fn warn(&self, message: impl Into<String>) {
        let message = Message {
            level: "WARN",
            target: "shoal".to_owned(),
            message: message.into(),
            ..Message::default()
        };
        self.send(Event::Message(Box::new(message)));
    }

    /// Ends the output; nothing is sent afterwards.
    pub(crate) fn close(self) {
        self.flush();
    }

    fn flush(&self) {
        let (done, wait) = channel();
        if self.queue.sender.send(Item::Flush(done)).is_ok() {
            // Late, or never, where nobody reads our output: no reason to stay.
            let _ = wait.recv_timeout(CLOSE);
        }
    }
}

impl Writer {
    /// Writes what comes until nobody is left who could send; `written` takes the size of what was written and answers how many
    /// events were dropped meanwhile.
    fn work(&self, receiver: &Receiver<Item>, written: impl Fn(usize) -> u64) {
        while let Ok(item) = receiver.recv() {
            match item {
                Item::Event(event) => {
                    self.write(&event);
                    let lost = written(event.size());
                    if lost > 0 {
                        let text = format!("{lost} lines were dropped: they came faster than they are read");
                        let message = Message {
                            level: "WARN",
                            target: "shoal".to_owned(),
                            message: text,
                            ..Message::default()
                        };
                        self.write(&Event::Message(Box::new(message)));
                    }
                }
                // Fails where the wait was given up.
                Item::Flush(done) => drop(done.send(())),
            }
        }
    }

    fn write(&self, event: &Event) {
        let stream = event.stream();
        let mut text = match (self.format, stream) {
            (Format::Text, Stream::Stdout) => event.text(self.stdout),
            (Format::Text, Stream::Stderr) => event.text(self.stderr),
            (Format::Json, _) => serde_json::to_string(event).unwrap_or_default(),
        };
        text.push('\n');
        self.bars.above(|| {
            // A reader that has gone does not end the services.
            let _ = match stream {
                Stream::Stdout => io::stdout().lock().write_all(text.as_bytes()),
                Stream::Stderr => io::stderr().lock().write_all(text.as_bytes()),
            };
        });
    }
}

/// The log of one component, on the console.
pub(crate) struct Log {
    pub(crate) console: Console,
    origin: Arc<Origin>,
}

impl Log {
    pub(crate) fn new(console: Console, service: &str, component: &str) -> Self {
        let origin = Origin {
            service: service.to_owned(),
            component: component.to_owned(),
        };
        Self {
            console,
            origin: Arc::new(origin),
        }
    }

    pub(crate) fn line(&self, stream: Stream, request: String, line: &[u8]) {
        let origin = Arc::clone(&self.origin);
        self.console.send(Event::Log {
            origin,
            request,
            stream,
            line: line.to_vec(),
        });
    }

    pub(crate) fn dropped(&self, bytes: u64) {
        let origin = Arc::clone(&self.origin);
        self.console.send(Event::Dropped {
            origin,
            bytes,
            reason: "limits.logRate",
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nobody writes what it is sent.
    fn unread() -> (Console, Receiver<Item>) {
        let (sender, receiver) = channel();
        let queue = Queue {
            sender,
            waiting: AtomicUsize::new(0),
            lost: AtomicU64::new(0),
            is_unread: AtomicBool::new(false),
            room: Notify::new(),
        };
        let console = Console {
            format: Format::Json,
            bars: Bars::new(Format::Json),
            queue: Arc::new(queue),
        };
        (console, receiver)
    }

    #[tokio::test]
    async fn guests_wait_for_a_reader_and_an_answer_goes_on_without_one() {
        let (console, _receiver) = unread();
        let log = Log::new(console.clone(), "greeter", "web");
        let line = vec![b'x'; 1 << 20];
        let mut printed = 0;
        while console.has_room(Hold::WhileRead) {
            log.line(Stream::Stdout, String::new(), &line);
            printed += 1;
        }
        assert_eq!(printed, 4);
        console.give_up();
        console.clone().room(Hold::WhileRead).await;
        assert!(!console.has_room(Hold::UntilDeadline));
        while console.queue.lost.load(Ordering::Relaxed) == 0 {
            log.line(Stream::Stdout, String::new(), &line);
        }
        let waiting = console.queue.waiting.load(Ordering::SeqCst);
        assert!(waiting <= MAX_WAITING, "{waiting}");
        let waits = tokio::spawn(console.clone().room(Hold::UntilDeadline));
        assert_eq!(console.queue.written(waiting), 1, "one was lost");
        waits.await.unwrap();
        assert!(console.has_room(Hold::WhileRead) && !console.queue.is_unread.load(Ordering::SeqCst));
    }
}
