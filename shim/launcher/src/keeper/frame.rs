//! ttrpc's frames: where one ends and the next begins. What is in them concerns the keeper only where it must answer itself.
//!
//! A header of ten bytes (length and stream id as big-endian u32, type, flags), then the message (ttrpc's `PROTOCOL.md`).

use std::time::Duration;

use containerd_shim_protos::protobuf::{Message, MessageField};
use containerd_shim_protos::ttrpc::{Code, Request, Response, Status};

/// Length of a header.
pub(crate) const HEADER: usize = 10;
/// ttrpc's limit for a message.
pub(crate) const MAX_MESSAGE: usize = 4 << 20;

/// The type of a request.
pub(crate) const REQUEST: u8 = 1;
/// The type of a response, the last frame of its stream.
pub(crate) const RESPONSE: u8 = 2;

/// A header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) length: usize,
    pub(crate) stream: u32,
    pub(crate) kind: u8,
}

/// What a [`Reader`] finds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A whole frame, header and message.
    Frame(Header, Vec<u8>),
    /// A frame whose message was longer than ttrpc allows, and was skipped.
    TooLarge(Header),
}

/// Puts frames together from what a socket delivers. Holds a part of one frame at the most.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    partial: Vec<u8>,
    skip: usize,
}

impl Reader {
    /// Takes `input` and hands each frame that it completes to `found`.
    pub(crate) fn feed(&mut self, mut input: &[u8], mut found: impl FnMut(Item)) {
        while !input.is_empty() {
            if self.skip > 0 {
                let (_, rest) = input.split_at(self.skip.min(input.len()));
                self.skip -= input.len() - rest.len();
                input = rest;
                continue;
            }
            input = self.fill(input, HEADER);
            let Some(header) = parse(&self.partial) else {
                continue;
            };
            if header.length > MAX_MESSAGE {
                self.partial = Vec::new();
                self.skip = header.length;
                found(Item::TooLarge(header));
                continue;
            }
            let whole = HEADER + header.length;
            input = self.fill(input, whole);
            if self.partial.len() == whole {
                found(Item::Frame(header, std::mem::take(&mut self.partial)));
            }
        }
    }

    /// Moves from `input` what is missing to `length` bytes; the rest is returned.
    fn fill<'a>(&mut self, input: &'a [u8], length: usize) -> &'a [u8] {
        let missing = length.saturating_sub(self.partial.len());
        let (taken, rest) = input.split_at(missing.min(input.len()));
        self.partial.extend_from_slice(taken);
        rest
    }
}

fn parse(bytes: &[u8]) -> Option<Header> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (stream, rest) = rest.split_first_chunk()?;
    let [kind, _flags] = *rest.first_chunk()?;
    Some(Header {
        length: u32::from_be_bytes(*length) as usize,
        stream: u32::from_be_bytes(*stream),
        kind,
    })
}

fn frame(stream: u32, kind: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(HEADER + message.len());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(&[kind, 0]);
    bytes.extend_from_slice(message);
    bytes
}

/// A `Response` whose `Status` has code 13, INTERNAL, and no text.
const UNEXPLAINED: &[u8] = &[0x0a, 2, 0x08, 13];

/// The keeper's own answer to a request.
pub(crate) fn refusal(stream: u32, code: Code, text: &str) -> Vec<u8> {
    let status = Status {
        code: code.into(),
        message: text.to_owned(),
        ..Status::default()
    };
    let response = Response {
        status: MessageField::some(status),
        ..Response::default()
    };
    let message = response.write_to_bytes();
    frame(stream, RESPONSE, message.as_deref().unwrap_or(UNEXPLAINED))
}

/// For how long the caller of this request waits. None means for ever.
pub(crate) fn timeout(request: &[u8]) -> Option<Duration> {
    let request = Request::parse_from_bytes(request.get(HEADER..)?).ok()?;
    let nanoseconds = u64::try_from(request.timeout_nano)
        .ok()
        .filter(|nanoseconds| *nanoseconds > 0)?;
    Some(Duration::from_nanos(nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(reader: &mut Reader, input: &[u8]) -> Vec<Item> {
        let mut items = Vec::new();
        reader.feed(input, |item| items.push(item));
        items
    }

    #[test]
    fn frames_are_found_however_they_arrive() {
        let all = [
            frame(1, REQUEST, b"hello"),
            frame(3, REQUEST, b""),
            frame(5, RESPONSE, &[7; 300]),
        ];
        let stream = all.concat();
        for step in 1..=stream.len() {
            let mut reader = Reader::default();
            let found: Vec<Item> = stream
                .chunks(step)
                .flat_map(|part| items(&mut reader, part))
                .collect();
            let bytes: Vec<&[u8]> = found
                .iter()
                .map(|item| match item {
                    Item::Frame(_, bytes) => bytes.as_slice(),
                    Item::TooLarge(_) => panic!("no frame is too large"),
                })
                .collect();
            assert_eq!(bytes, all, "in steps of {step}");
            assert!(
                reader.partial.is_empty() && reader.partial.capacity() == 0,
                "idle, it holds no memory"
            );
        }
    }

    #[test]
    fn the_header_is_read_as_ttrpc_writes_it() {
        let bytes = frame(0x0102_0304, REQUEST, b"x");
        assert_eq!(bytes, [0, 0, 0, 1, 1, 2, 3, 4, 1, 0, b'x']);
        let found = items(&mut Reader::default(), &bytes);
        let (length, stream, kind) = (1, 0x0102_0304, REQUEST);
        assert_eq!(found, [Item::Frame(Header { length, stream, kind }, bytes)]);
    }

    #[test]
    fn a_frame_that_is_too_large_is_skipped_and_not_kept() {
        for size in [MAX_MESSAGE, MAX_MESSAGE + 1] {
            let stream = [frame(1, REQUEST, &vec![0; size]), frame(3, REQUEST, b"next")].concat();
            let mut reader = Reader::default();
            let mut found = Vec::new();
            for part in stream.chunks(65_536) {
                reader.feed(part, |item| found.push(item));
                assert!(size <= MAX_MESSAGE || reader.partial.capacity() < 1024);
            }
            let too_large = matches!(found.first(), Some(Item::TooLarge(header)) if header.stream == 1);
            assert_eq!(too_large, size > MAX_MESSAGE);
            assert!(matches!(found.get(1), Some(Item::Frame(header, _)) if header.stream == 3));
        }
    }

    #[test]
    fn a_length_alone_costs_no_memory() {
        let mut reader = Reader::default();
        let announced = (MAX_MESSAGE as u32).to_be_bytes();
        assert!(items(&mut reader, &[&announced[..], &[0, 0, 0, 1, REQUEST, 0]].concat()).is_empty());
        assert!(reader.partial.capacity() < 1024);
    }

    #[test]
    fn a_refusal_is_a_response_with_a_status() {
        let bytes = refusal(9, Code::RESOURCE_EXHAUSTED, "too large");
        let [Item::Frame(header, bytes)] = &items(&mut Reader::default(), &bytes)[..] else {
            panic!("one frame")
        };
        assert_eq!((header.stream, header.kind), (9, RESPONSE));
        let response = Response::parse_from_bytes(&bytes[HEADER..]).expect("a response");
        assert_eq!(response.status().code(), Code::RESOURCE_EXHAUSTED);
        assert_eq!(response.status().message(), "too large");
    }

    #[test]
    fn the_callers_patience_is_read_from_the_request() {
        let of = |timeout_nano| {
            let request = Request {
                timeout_nano,
                ..Request::default()
            };
            timeout(&frame(1, REQUEST, &request.write_to_bytes().expect("bytes")))
        };
        assert_eq!(of(2_000_000_000), Some(Duration::from_secs(2)));
        assert_eq!((of(0), of(-1)), (None, None));
        assert_eq!(
            (timeout(b"short"), timeout(&frame(1, REQUEST, b"\xff\xff"))),
            (None, None)
        );
    }
}
