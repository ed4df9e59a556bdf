//! One connection of containerd's, without its sockets: what was asked, what is not answered yet, what goes where. Sockets and
//! polling are `connections`'.
//!
//! A request is kept until its response is on its way to containerd. When a daemon is gone, what is kept is asked of the next
//! one, in the same order; the daemon's handlers are made for being asked twice. Only whole frames go to containerd, so a
//! response that a dying daemon had half sent leaves no trace.

use std::rc::Rc;
use std::time::Instant;

use containerd_shim_protos::ttrpc::Code;

use super::frame::{self, Header, Item, Reader};
use super::outbox::Outbox;

/// With so much waiting in a direction, no more is read that would add to it.
const MOST_WAITING: usize = 16 << 20;

/// See above.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    from_client: Reader,
    from_daemon: Reader,
    pub(crate) to_client: Outbox,
    pub(crate) to_daemon: Outbox,
    unanswered: Vec<Kept>,
    kept_bytes: usize,
}

#[derive(Debug)]
struct Kept {
    stream: u32,
    since: Instant,
    frame: Rc<[u8]>,
}

/// A frame that went nowhere.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Dropped {
    /// The services that are proxied have no streams.
    #[error("a frame of type {kind} on stream {stream}, where only requests are expected, was dropped")]
    NotARequest { stream: u32, kind: u8 },
    #[error("a message of {bytes} bytes on stream {stream}, at most 4 MiB, was dropped")]
    TooLarge { stream: u32, bytes: usize },
    #[error("an answer on stream {stream}, where nothing was asked, was dropped")]
    NotAsked { stream: u32 },
}

impl Exchange {
    /// containerd has sent `input`. Requests go to the daemon if there is one (`connected`), and are kept in any case.
    pub(crate) fn client_sent(&mut self, input: &[u8], connected: bool, now: Instant) -> Vec<Dropped> {
        let mut dropped = Vec::new();
        let mut reader = std::mem::take(&mut self.from_client);
        reader.feed(input, |item| match item {
            Item::Frame(
                Header {
                    stream,
                    kind: frame::REQUEST,
                    ..
                },
                bytes,
            ) => {
                let frame: Rc<[u8]> = bytes.into();
                if connected {
                    self.to_daemon.push(Rc::clone(&frame));
                }
                self.kept_bytes += frame.len();
                self.unanswered.push(Kept {
                    stream,
                    since: now,
                    frame,
                });
            }
            Item::Frame(Header { stream, kind, .. }, _) => {
                dropped.push(Dropped::NotARequest { stream, kind })
            }
            Item::TooLarge(Header { stream, length, .. }) => {
                dropped.push(Dropped::TooLarge {
                    stream,
                    bytes: length,
                });
                let text = "the request is larger than 4 MiB";
                self.to_client
                    .push(frame::refusal(stream, Code::RESOURCE_EXHAUSTED, text).into());
            }
        });
        self.from_client = reader;
        dropped
    }

    /// The daemon has sent `input`.
    pub(crate) fn daemon_sent(&mut self, input: &[u8]) -> Vec<Dropped> {
        let mut dropped = Vec::new();
        let mut reader = std::mem::take(&mut self.from_daemon);
        reader.feed(input, |item| {
            let (header, bytes) = match item {
                Item::Frame(header, bytes) => (header, bytes),
                Item::TooLarge(header) => {
                    let Header {
                        stream,
                        length: bytes,
                        ..
                    } = header;
                    dropped.push(Dropped::TooLarge { stream, bytes });
                    let text = "the daemon's answer is larger than 4 MiB";
                    (header, frame::refusal(stream, Code::RESOURCE_EXHAUSTED, text))
                }
            };
            match self
                .unanswered
                .iter()
                .position(|kept| kept.stream == header.stream)
            {
                Some(at) => {
                    if header.kind == frame::RESPONSE {
                        self.forget(at);
                    }
                    self.to_client.push(bytes.into());
                }
                None => dropped.push(Dropped::NotAsked {
                    stream: header.stream,
                }),
            }
        });
        self.from_daemon = reader;
        dropped
    }

    /// A daemon is there: what is not answered is asked of it, except where the caller has given up meanwhile. So a request
    /// that no daemon survives ends with its caller's patience.
    pub(crate) fn daemon_came(&mut self, now: Instant) {
        self.daemon_went();
        let mut at = 0;
        while let Some(kept) = self.unanswered.get(at) {
            let given_up = frame::timeout(&kept.frame).is_some_and(|patience| kept.since + patience < now);
            if given_up {
                self.forget(at);
            } else {
                self.to_daemon.push(Rc::clone(&kept.frame));
                at += 1;
            }
        }
    }

    /// The daemon is gone, and with it what it had half read or half said.
    pub(crate) fn daemon_went(&mut self) {
        self.from_daemon = Reader::default();
        self.to_daemon = Outbox::default();
    }

    /// Whether there is something to ask.
    pub(crate) fn needs_daemon(&self) -> bool {
        !self.unanswered.is_empty()
    }

    pub(crate) fn reads_client(&self) -> bool {
        self.kept_bytes < MOST_WAITING && self.to_client.bytes() < MOST_WAITING
    }

    pub(crate) fn reads_daemon(&self) -> bool {
        self.to_client.bytes() < MOST_WAITING
    }

    fn forget(&mut self, at: usize) {
        let kept = self.unanswered.remove(at);
        self.kept_bytes -= kept.frame.len();
        if self.unanswered.is_empty() {
            self.unanswered = Vec::new();
        }
    }
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;
