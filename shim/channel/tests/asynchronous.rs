//! The same channel under tokio: waiting blocks nobody, and a cancelled wait loses nothing.
#![allow(
    clippy::expect_used,
    reason = "helpers of tests are tests, which clippy cannot see in this folder"
)]

use std::time::Duration;

use shoal_channel::{AsyncChannel, Channel, MAX_INLINE};

fn pair() -> (AsyncChannel, AsyncChannel) {
    let (one, other) = Channel::pair().expect("a socket pair");
    (
        AsyncChannel::new(one).expect("registered"),
        AsyncChannel::new(other).expect("registered"),
    )
}

#[tokio::test]
async fn a_full_channel_makes_its_sender_wait() {
    let (one, other) = pair();
    let count = 1_000;
    let text = "x".repeat(MAX_INLINE / 2);
    let send = async {
        for number in 0..count {
            one.send(&(number, &text), &[]).await.expect("sent");
        }
        drop(one);
    };
    let receive = async {
        let mut next = 0;
        while let Some(((number, _), _)) = other.recv::<(i32, String)>().await.expect("received") {
            assert_eq!(number, next);
            next += 1;
        }
        next
    };
    assert_eq!(tokio::join!(send, receive).1, count);
}

#[tokio::test]
async fn a_cancelled_wait_loses_no_packet() {
    let (one, other) = pair();
    for number in 0..100 {
        let nothing = tokio::time::timeout(Duration::ZERO, other.recv::<i32>()).await;
        assert!(nothing.is_err());
        one.send(&number, &[]).await.expect("sent");
        assert_eq!(
            other.recv::<i32>().await.expect("received").expect("a packet").0,
            number
        );
    }
}
