//! Channels between threads and within one: what is sent arrives, with its descriptors, and nothing else does.
#![allow(
    clippy::expect_used,
    reason = "helpers of tests are tests, which clippy cannot see in this folder"
)]

use std::fs::File;
use std::io::{IoSlice, Read, Seek, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use shoal_channel::store::{Exited, FromKeeper, Ready, ToKeeper};
use shoal_channel::{Channel, ChannelError, MAX_FDS, MAX_INLINE, MAX_PAYLOAD, Packet, Received};

fn pair() -> (Channel, Channel) {
    Channel::pair().expect("a socket pair")
}

fn file_with(content: &str) -> File {
    let mut file = File::from(memfd());
    file.write_all(content.as_bytes()).expect("written");
    file
}

fn memfd() -> OwnedFd {
    rustix::fs::memfd_create("test", rustix::fs::MemfdFlags::CLOEXEC).expect("a memfd")
}

/// Sends what no `Channel` would.
fn raw(channel: &Channel, content: &[u8], fds: &[BorrowedFd<'_>]) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(fds.is_empty() || control.push(SendAncillaryMessage::ScmRights(fds)));
    rustix::net::sendmsg(
        channel,
        &[IoSlice::new(content)],
        &mut control,
        SendFlags::empty(),
    )
    .expect("sent");
}

#[test]
fn the_wire_is_as_documented() {
    let json = |message: &FromKeeper| serde_json::to_string(message).expect("JSON");
    assert_eq!(
        serde_json::to_string(&ToKeeper::Put("w1".into())).expect("JSON"),
        r#"{"put":"w1"}"#
    );
    assert_eq!(
        serde_json::to_string(&ToKeeper::Drop("w1".into())).expect("JSON"),
        r#"{"drop":"w1"}"#
    );
    assert_eq!(
        serde_json::to_string(&ToKeeper::Seen(7)).expect("JSON"),
        r#"{"seen":7}"#
    );
    assert_eq!(json(&FromKeeper::Have("w1".into())), r#"{"have":"w1"}"#);
    let exited = Exited { pid: 7, status: 9 };
    assert_eq!(
        json(&FromKeeper::Exited(exited)),
        r#"{"exited":{"pid":7,"status":9}}"#
    );
    assert_eq!(
        json(&FromKeeper::Ready(Ready {
            version: None,
            orphans: vec![exited]
        })),
        r#"{"ready":{"orphans":[{"pid":7,"status":9}]}}"#
    );
}

#[test]
fn packets_arrive_in_order_each_with_its_own_descriptors() {
    let (one, other) = pair();
    let (first, second) = (file_with("first"), file_with("second"));
    one.send("a", &[]).expect("sent");
    one.send("b", &[first.as_fd(), second.as_fd()]).expect("sent");
    one.send("c", &[first.as_fd()]).expect("sent");
    let (text, fds) = other.recv::<String>().expect("received").expect("a packet");
    assert_eq!((text.as_str(), fds.len()), ("a", 0));
    let (text, fds) = other.recv::<String>().expect("received").expect("a packet");
    assert_eq!((text.as_str(), fds.len()), ("b", 2));
    let mut last = File::from(fds.into_iter().nth(1).expect("the second"));
    let mut content = String::new();
    last.rewind().expect("rewound");
    last.read_to_string(&mut content).expect("read");
    assert_eq!(content, "second");
    assert!(
        rustix::io::fcntl_getfd(&last)
            .expect("flags")
            .contains(rustix::io::FdFlags::CLOEXEC)
    );
    let (text, fds) = other.recv::<String>().expect("received").expect("a packet");
    assert_eq!((text.as_str(), fds.len()), ("c", 1));
}

#[test]
fn a_document_of_any_allowed_size_arrives() {
    for size in [
        1,
        MAX_INLINE - 2,
        MAX_INLINE - 1,
        1 << 20,
        MAX_PAYLOAD as usize - 2,
    ] {
        let (one, other) = pair();
        let sent = "x".repeat(size);
        let fd = file_with("beside");
        one.send(&sent, &[fd.as_fd()]).expect("sent");
        let (got, fds) = other.recv::<String>().expect("received").expect("a packet");
        assert!(got == sent, "{size} bytes");
        assert_eq!(fds.len(), 1, "{size} bytes");
    }
}

#[test]
fn what_is_too_large_is_refused_before_it_is_sent() {
    let (one, other) = pair();
    let text = "x".repeat(MAX_PAYLOAD as usize - 1);
    assert!(matches!(one.send(&text, &[]), Err(ChannelError::TooLarge { .. })));
    let fd = memfd();
    let many = vec![fd.as_fd(); MAX_FDS + 1];
    assert!(
        matches!(one.send("x", &many), Err(ChannelError::TooManyDescriptors { count }) if count == MAX_FDS + 1)
    );
    assert!(matches!(other.try_recv::<String>(), Ok(Received::Nothing)));
    let large = "x".repeat(MAX_INLINE);
    one.send(&large, &many[..MAX_FDS]).expect("sent");
    let (_, fds) = other.recv::<String>().expect("received").expect("a packet");
    assert_eq!(fds.len(), MAX_FDS);
}

#[test]
fn a_hostile_packet_is_an_error_and_the_next_one_arrives() {
    let (one, other) = pair();
    let (pipe, _writer) = rustix::pipe::pipe().expect("a pipe");
    let unsealed = file_with("\"x\"");
    let expect = |what: &str, wanted: fn(&ChannelError) -> bool| {
        let error = other.recv::<String>().expect_err(what);
        assert!(wanted(&error), "{what}: {error:?}");
    };
    raw(&one, b"@", &[]);
    expect("no memfd", |error| matches!(error, ChannelError::NoPayload));
    raw(&one, b"@", &[pipe.as_fd()]);
    expect("a pipe, which would block", |error| {
        matches!(error, ChannelError::NoPayload)
    });
    raw(&one, b"@", &[unsealed.as_fd()]);
    expect("a memfd that can still shrink", |error| {
        matches!(error, ChannelError::NoPayload)
    });
    raw(&one, &vec![b'x'; MAX_INLINE + 1], &[]);
    expect("too long", |error| matches!(error, ChannelError::Truncated));
    raw(&one, b"{", &[pipe.as_fd()]);
    expect("not JSON", |error| matches!(error, ChannelError::Decode(_)));
    raw(&one, "[".repeat(MAX_INLINE).as_bytes(), &[]);
    expect("deep JSON", |error| matches!(error, ChannelError::Decode(_)));
    one.send("fine", &[]).expect("sent");
    assert_eq!(
        other.recv::<String>().expect("received").expect("a packet").0,
        "fine"
    );
}

#[test]
fn a_peer_that_is_gone_has_still_said_what_it_said() {
    let (one, other) = pair();
    // Unread by `one`: the kernel then reports a reset before the packets that are queued.
    other.send("unread", &[]).expect("sent");
    one.send("last words", &[]).expect("sent");
    drop(one);
    assert_eq!(
        other.recv::<String>().expect("received").expect("a packet").0,
        "last words"
    );
    assert!(other.recv::<String>().expect("received").is_none());
    assert!(other.recv::<String>().expect("received").is_none());
    assert!(matches!(other.send("hello?", &[]), Err(ChannelError::Closed)));
}

#[test]
fn a_full_channel_says_so_and_nothing_is_sent_twice() {
    let (one, other) = pair();
    let packet = Packet::new(&"x".repeat(MAX_INLINE / 2)).expect("a packet");
    let mut sent = 0;
    while one.try_send(&packet, &[]).expect("sent") {
        sent += 1;
        assert!(sent < 100_000, "the channel has a bound");
    }
    assert!(sent > 0);
    let mut received = 0;
    while let Received::Packet(_, _) = other.try_recv::<String>().expect("received") {
        received += 1;
    }
    assert_eq!(received, sent);
    assert!(one.try_send(&packet, &[]).expect("sent"), "there is room again");
}

#[test]
fn only_a_channel_is_one() {
    assert!(matches!(
        Channel::from_fd(memfd()),
        Err(ChannelError::NotAChannel)
    ));
    let (stream, _other) = std::os::unix::net::UnixStream::pair().expect("a pair");
    assert!(matches!(
        Channel::from_fd(stream.into()),
        Err(ChannelError::NotAChannel)
    ));
    let (one, other) = pair();
    let one = Channel::from_fd(one.into()).expect("a channel");
    one.send(&1, &[]).expect("sent");
    assert_eq!(other.recv::<i32>().expect("received").expect("a packet").0, 1);
}
