//! The exchange as containerd and daemons see it.

use std::time::{Duration, Instant};

use containerd_shim_protos::protobuf::Message;
use containerd_shim_protos::ttrpc::Request;

use super::super::frame::{HEADER, MAX_MESSAGE, REQUEST, RESPONSE};
use super::{Dropped, Exchange, Outbox};

const DATA: u8 = 3;

fn frame(stream: u32, kind: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("small");
    [
        &length.to_be_bytes()[..],
        &stream.to_be_bytes(),
        &[kind, 0],
        message,
    ]
    .concat()
}

/// All that waits, as a socket would see it that takes 7 bytes at a time.
fn drain(outbox: &mut Outbox) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(next) = outbox.next() {
        let part = &next[..next.len().min(7)];
        all.extend_from_slice(part);
        let count = part.len();
        outbox.advance(count);
    }
    assert_eq!(outbox.bytes(), 0);
    all
}

#[test]
fn requests_and_responses_pass() {
    let (mut exchange, now) = (Exchange::default(), Instant::now());
    exchange.daemon_came(now);
    let asked = [frame(1, REQUEST, b"a"), frame(3, REQUEST, b"b")].concat();
    assert_eq!(exchange.client_sent(&asked, true, now), []);
    assert_eq!(drain(&mut exchange.to_daemon), asked);
    let answers = [frame(3, RESPONSE, b"B"), frame(1, RESPONSE, b"A")].concat();
    assert_eq!(exchange.daemon_sent(&answers), []);
    assert_eq!(drain(&mut exchange.to_client), answers);
    assert!(!exchange.needs_daemon());
    assert_eq!((exchange.kept_bytes, exchange.unanswered.capacity()), (0, 0));
}

#[test]
fn what_is_not_answered_is_asked_again_in_order() {
    let (mut exchange, now) = (Exchange::default(), Instant::now());
    let [a, b, c] = [
        frame(1, REQUEST, b"a"),
        frame(3, REQUEST, b"b"),
        frame(5, REQUEST, b"c"),
    ];
    // Before there is a daemon.
    exchange.client_sent(&a, false, now);
    assert!(exchange.needs_daemon() && exchange.to_daemon.next().is_none());
    exchange.daemon_came(now);
    exchange.client_sent(&[&b[..], &c[..4]].concat(), true, now);
    assert_eq!(drain(&mut exchange.to_daemon), [&a[..], &b].concat());
    // One answered, the other answered by half.
    let half = &frame(3, RESPONSE, b"B")[..HEADER];
    exchange.daemon_sent(&[&frame(1, RESPONSE, b"A"), half].concat());
    exchange.daemon_went();
    exchange.client_sent(&c[4..], false, now);
    exchange.daemon_came(now);
    assert_eq!(drain(&mut exchange.to_daemon), [&b[..], &c].concat());
    let answers = [frame(3, RESPONSE, b"BB"), frame(5, RESPONSE, b"C")].concat();
    assert_eq!(exchange.daemon_sent(&answers), []);
    assert_eq!(
        drain(&mut exchange.to_client),
        [frame(1, RESPONSE, b"A"), answers].concat()
    );
    assert!(!exchange.needs_daemon());
}

#[test]
fn a_request_that_was_written_in_part_is_written_whole_to_the_next_daemon() {
    let (mut exchange, now) = (Exchange::default(), Instant::now());
    let request = frame(1, REQUEST, &[7; 100]);
    exchange.daemon_came(now);
    exchange.client_sent(&request, true, now);
    exchange.to_daemon.advance(50);
    exchange.daemon_went();
    exchange.daemon_came(now);
    assert_eq!(drain(&mut exchange.to_daemon), request);
}

#[test]
fn nobody_is_asked_for_what_nobody_waits_for() {
    let (mut exchange, now) = (Exchange::default(), Instant::now());
    let request = |timeout_nano| {
        let request = Request {
            timeout_nano,
            ..Request::default()
        };
        request.write_to_bytes().expect("bytes")
    };
    let (short, forever) = (
        frame(1, REQUEST, &request(1_000_000_000)),
        frame(3, REQUEST, &request(0)),
    );
    exchange.client_sent(&[&short[..], &forever].concat(), false, now);
    exchange.daemon_came(now + Duration::from_millis(999));
    assert_eq!(drain(&mut exchange.to_daemon), [&short[..], &forever].concat());
    exchange.daemon_came(now + Duration::from_millis(1001));
    assert_eq!(drain(&mut exchange.to_daemon), forever);
    assert_eq!(
        exchange.daemon_sent(&frame(1, RESPONSE, b"")),
        [Dropped::NotAsked { stream: 1 }]
    );
    assert!(exchange.needs_daemon());
}

#[test]
fn what_does_not_belong_here_is_dropped_and_the_rest_goes_on() {
    let (mut exchange, now) = (Exchange::default(), Instant::now());
    exchange.daemon_came(now);
    let large = frame(1, REQUEST, &vec![0; MAX_MESSAGE + 1]);
    let (stream, bytes) = (1, MAX_MESSAGE + 1);
    assert_eq!(
        exchange.client_sent(&large, true, now),
        [Dropped::TooLarge { stream, bytes }]
    );
    let refused = drain(&mut exchange.to_client);
    assert_eq!(refused[4..9], [0, 0, 0, 1, RESPONSE]);
    let (stream, kind) = (3, DATA);
    assert_eq!(
        exchange.client_sent(&frame(3, DATA, b"x"), true, now),
        [Dropped::NotARequest { stream, kind }]
    );
    assert_eq!(
        exchange.daemon_sent(&frame(5, RESPONSE, b"x")),
        [Dropped::NotAsked { stream: 5 }]
    );
    assert!(exchange.to_client.next().is_none() && exchange.to_daemon.next().is_none());
    // An answer that is too large ends its request.
    exchange.client_sent(&frame(7, REQUEST, b"x"), true, now);
    let (stream, bytes) = (7, MAX_MESSAGE + 1);
    let answer = frame(7, RESPONSE, &vec![0; MAX_MESSAGE + 1]);
    assert_eq!(
        exchange.daemon_sent(&answer),
        [Dropped::TooLarge { stream, bytes }]
    );
    assert_eq!(drain(&mut exchange.to_client)[4..9], [0, 0, 0, 7, RESPONSE]);
    assert!(!exchange.needs_daemon());
}

#[test]
fn what_waits_has_a_bound() {
    let (mut exchange, now) = (Exchange::default(), Instant::now());
    let mut stream = 1;
    while exchange.reads_client() {
        exchange.client_sent(&frame(stream, REQUEST, &vec![0; 1 << 20]), false, now);
        stream += 2;
        assert!(stream < 100, "it never stops");
    }
    assert!(exchange.reads_daemon());
    exchange.daemon_came(now);
    exchange.daemon_sent(&frame(1, RESPONSE, b""));
    assert!(exchange.reads_client());
}
