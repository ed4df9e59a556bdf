//! Connections that never bring a whole request.

use crate::support::{GET, PREFACE, Raw, SHORT, Site, frame, impatient, within};
use std::time::Duration;
use tokio::io::AsyncReadExt;

/// Beginnings of requests that never end.
fn beginnings() -> Vec<(&'static str, Vec<u8>)> {
    let unfinished = frame(1, 0x1, 1, &[0x82, 0x86, 0x84]);
    vec![
        ("silence", Vec::new()),
        ("a part of a request line", b"GET / HT".to_vec()),
        ("a part of a preface", PREFACE[..10].to_vec()),
        (
            "a head without an end",
            b"GET / HTTP/1.1\r\nhost: x\r\nx-y: ".to_vec(),
        ),
        ("HTTP/2 without a request", PREFACE.to_vec()),
        ("HEADERS without an end", [PREFACE, &unfinished].concat()),
        ("HTTP/1.1 after an answer", GET.to_vec()),
    ]
}

#[tokio::test]
async fn what_brings_no_request_is_closed() {
    let server = Site::new().serve(impatient()).await;
    for (what, bytes) in beginnings() {
        let mut raw = Raw::with(server.address(), bytes).await;
        within(what, raw.read_to_end()).await;
    }
}

#[tokio::test]
async fn bytes_that_trickle_in_keep_no_connection_open() {
    let server = Site::new().serve(impatient()).await;
    let ping = frame(6, 0, 0, &[0; 8]);
    let trickles = [
        (
            "a head",
            b"GET / HTTP/1.1\r\nhost: x\r\nx-y: ".to_vec(),
            b"a".to_vec(),
        ),
        ("empty lines", Vec::new(), b"\r\n".to_vec()),
        ("pings", PREFACE.to_vec(), ping),
        ("settings", PREFACE.to_vec(), frame(4, 0, 0, &[])),
    ];
    for (what, begin, more) in trickles {
        let (mut read, mut write) = Raw::with(server.address(), begin).await.0.into_split();
        let trickle = tokio::spawn(async move {
            loop {
                use tokio::io::AsyncWriteExt;
                if write.write_all(&more).await.is_err() {
                    return;
                }
                tokio::time::sleep(SHORT / 20).await;
            }
        });
        let mut buffer = vec![0; 64 << 10];
        within(what, async {
            while let Ok(1..) = read.read(&mut buffer).await {}
        })
        .await;
        drop(read);
        within(what, trickle).await.expect("no panic");
    }
}

#[tokio::test]
async fn a_request_that_is_worked_on_is_not_silence() {
    let site = Site::new();
    let server = site.serve(impatient()).await;
    let mut one = Raw::with(server.address(), "GET /gate HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let two = [PREFACE, &crate::support::headers(1, "/gate")].concat();
    let mut two = Raw::with(server.address(), two).await;
    tokio::time::sleep(3 * SHORT).await;
    site.gate.add_permits(2);
    one.read_until("hello\n").await;
    two.read_until("hello\n").await;
}

#[tokio::test]
async fn a_server_that_stops_does_not_wait_for_a_request_that_never_ends() {
    let server = Site::new().serve(impatient()).await;
    let mut raw = Raw::with(server.address(), "GET / HTTP/1.1\r\nhost: x\r\nx-y: ").await;
    // Accepted: what comes after it is answered.
    Raw::with(server.address(), GET).await.read_until("hello\n").await;
    assert!(server.shutdown(Duration::from_secs(3600)).await);
    raw.read_to_end().await;
}
