//! Clients that stop in the middle of a request's body, or of an answer's.

use crate::support::{PATIENCE, PREFACE, Raw, SHORT, Site, frame, headers, impatient, within};
use shoal_trigger::http::{Linger, ServerOptions};
use std::sync::Arc;
use tokio::io::AsyncReadExt;

#[tokio::test]
async fn a_body_that_never_comes_is_an_error_for_its_handler() {
    let server = Site::new().serve(impatient()).await;
    let head = "POST /sink HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nbeginning";
    let mut raw = Raw::with(server.address(), head).await;
    let answer = raw.read_to_end().await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.ends_with("stalled\n"), "{answer}");
}

#[tokio::test]
async fn a_body_that_never_comes_over_http_2_ends_its_stream_alone() {
    let server = Site::new().serve(impatient()).await;
    // HEADERS of a POST of /sink (`:method POST` is 0x83) that don't end the stream.
    let post = frame(1, 0x4, 1, b"\x83\x86\x04\x05/sink\x01\x01x");
    let mut raw = Raw::with(server.address(), [PREFACE, &post].concat()).await;
    raw.read_until("stalled\n").await;
    raw.write(headers(3, "/")).await;
    raw.read_until("hello\n").await;
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_given_up() {
    let site = Site::new();
    let server = site.serve(impatient()).await;
    let idle = Arc::strong_count(&site.endless);
    let raw = Raw::with(server.address(), "GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await;
    held(&site, idle, true).await;
    held(&site, idle, false).await;
    drop(raw);
}

#[tokio::test]
async fn a_stream_without_a_window_is_reset_and_its_connection_goes_on() {
    let site = Site::new();
    let server = site.serve(impatient()).await;
    let idle = Arc::strong_count(&site.endless);
    // SETTINGS_INITIAL_WINDOW_SIZE of 0 (RFC 9113 section 6.5.2).
    let settings = frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let begin = [&PREFACE[..24], &settings, &headers(1, "/endless")].concat();
    let mut raw = Raw::with(server.address(), begin).await;
    held(&site, idle, true).await;
    held(&site, idle, false).await;
    // RST_STREAM of stream 1, and no byte of the answer.
    let mut seen = Vec::new();
    while !seen.windows(9).any(|it| it == [0, 0, 4, 3, 0, 0, 0, 0, 1]) {
        let mut buffer = [0; 1024];
        let count = within("RST_STREAM", raw.0.read(&mut buffer))
            .await
            .expect("bytes");
        assert!(count > 0, "closed: {seen:?}");
        seen.extend_from_slice(&buffer[..count]);
    }
    assert!(!seen.contains(&b'x'), "{seen:?}");
}

#[tokio::test]
async fn an_answer_is_not_lost_though_nobody_reads_the_upload() {
    let server = Site::new().serve(impatient()).await;
    for _ in 0..20 {
        let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 8000000\r\n\r\n";
        let mut raw = Raw::with(server.address(), head).await;
        // All of it, before a byte of the answer is read.
        assert!(
            within("the upload", raw.write(vec![b'x'; 8_000_000])).await,
            "cut off in the middle"
        );
        let answer = String::from_utf8_lossy(&raw.read_to_end().await).into_owned();
        assert!(answer.ends_with("hello\n"), "{answer:?}");
    }
}

/// A part of an upload; a constant, since a future that holds an array is as large.
const PIECE: &[u8] = &[b'x'; 64 << 10];

#[tokio::test]
async fn an_upload_that_nobody_reads_is_taken_up_to_a_bound() {
    let linger = |idle, bytes| ServerOptions {
        linger: Linger {
            idle,
            most: PATIENCE,
            bytes,
        },
        ..impatient()
    };
    let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 8000000000\r\n\r\n";
    let server = Site::new().serve(linger(PATIENCE, 10_000_000)).await;
    let mut raw = Raw::with(server.address(), head).await;
    let endless = async { while raw.write(PIECE).await {} };
    within("the end of an endless upload", endless).await;
    // One that stops in the middle gets its answer, and then the end.
    let server = Site::new().serve(linger(SHORT, usize::MAX)).await;
    let mut raw = Raw::with(server.address(), head).await;
    let answer = raw.read_to_end().await;
    assert!(answer.ends_with(b"hello\n"), "{answer:?}");
    within("the server's end", async { while raw.write(PIECE).await {} }).await;
}

/// Waits until answers without end are held, or none is.
async fn held(site: &Site, idle: usize, held: bool) {
    within("an answer's beginning or end", async {
        while (Arc::strong_count(&site.endless) > idle) != held {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
}
