//! `shoal up` ends when it is asked to, and not before the requests in flight are done. And no client keeps others waiting.

use ::http::Method;
use http_body_util::BodyExt;
use serde_json::json;
use shoal_e2e::client::{empty, request};
use shoal_e2e::manifest::single;
use shoal_e2e::raw::Raw;
use shoal_e2e::{Answer, Client, Shoal, Up, get, until, within};

#[tokio::test]
async fn a_request_in_flight_is_finished_and_new_connections_are_refused() {
    let mut shoal = Shoal::up(&single(
        "stream",
        "http_slow_stream",
        json!({"limits": {"requestTimeout": "60s"}}),
    ))
    .await;
    let at = shoal.address();
    let mut one = Client::h1(at).await;
    let mut two = Client::h2(at).await;
    let one = one.send(request(Method::GET, "/?ms=50&n=20", empty())).await;
    let two = two.send(request(Method::GET, "/?ms=50&n=20", empty())).await;
    shoal.terminate();
    until("a refused connection", || {
        std::net::TcpStream::connect(at).is_err().then_some(())
    })
    .await;
    assert!(shoal.ended().is_none(), "it ended before its requests");
    let all: String = (1..=20).map(|n| format!("{n}\n")).collect();
    Answer::read(one).await.is(200, &all);
    Answer::read(two).await.is(200, &all);
    assert_eq!(shoal.end().await.code(), Some(0));
    assert_eq!(shoal.log.events("stopping").len(), 1);
}

#[tokio::test]
async fn an_idle_connection_does_not_keep_it_from_ending() {
    let mut shoal = Shoal::up(&single("hello", "http_hello", json!({}))).await;
    let mut one = Client::h1(shoal.address()).await;
    let mut two = Client::h2(shoal.address()).await;
    one.get("/").await.is(200, "hello, world\n");
    two.get("/").await.is(200, "hello, world\n");
    let _silent = Raw::connect(shoal.address()).await;
    shoal.terminate();
    assert_eq!(shoal.end().await.code(), Some(0));
}

#[tokio::test]
async fn what_is_not_done_within_the_grace_is_cut_off_and_said() {
    let manifest = single(
        "stream",
        "http_slow_stream",
        json!({"limits": {"requestTimeout": "1h"}}),
    );
    let mut shoal = Up::new()
        .manifest(&manifest)
        .arg("--grace")
        .arg("200ms")
        .start()
        .await;
    let mut client = Client::h1(shoal.address()).await;
    let response = client
        .send(request(Method::GET, "/?ms=20&n=1000000", empty()))
        .await;
    shoal.terminate();
    let answer = Answer::read(response).await;
    assert!(answer.cut.is_some(), "a part must not look like the whole");
    shoal.end().await;
    assert_eq!(shoal.log.events("cut").len(), 1, "{}", shoal.log.tail());
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let mut shoal = Shoal::up(&single(
        "stream",
        "http_slow_stream",
        json!({"limits": {"requestTimeout": "1h"}}),
    ))
    .await;
    let mut client = Client::h1(shoal.address()).await;
    let mut body = client
        .send(request(Method::GET, "/?ms=20&n=1000000", empty()))
        .await
        .into_body();
    shoal.terminate();
    within("the event", async {
        while shoal.log.events("stopping").is_empty() {
            tokio::task::yield_now().await
        }
    })
    .await;
    assert!(body.frame().await.is_some());
    shoal.terminate();
    assert_eq!(shoal.end().await.code(), Some(130));
}

#[tokio::test]
async fn slow_and_silent_clients_keep_nobody_waiting() {
    let shoal = Shoal::up(&single("hello", "http_hello", json!({}))).await;
    let mut slow = Vec::new();
    for n in 0..300 {
        let mut raw = Raw::connect(shoal.address()).await;
        let beginning = match n % 4 {
            0 => "",
            1 => "GET / HTT",
            2 => "GET / HTTP/1.1\r\nhost: x\r\nx-never-ends: aaaa",
            _ => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        };
        assert!(raw.write(beginning).await);
        slow.push(raw);
    }
    for _ in 0..50 {
        // Each fails where it gets no answer.
        get(shoal.address(), "/").await.is(200, "hello, world\n");
        for raw in slow.iter_mut().skip(2).step_by(4) {
            assert!(raw.write("a").await, "closed before its time");
        }
    }
    // One whose head comes late is answered all the same.
    let mut late = slow.swap_remove(1);
    assert!(late.write("P/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await);
    assert!(late.read_to_end().await.contains("hello, world\n"));
}

#[tokio::test]
async fn when_all_connections_are_silent_new_ones_are_served() {
    /// As many as `shoal up` keeps.
    const MOST: usize = 10_000;
    shoal_e2e::raise_descriptors(MOST + 1_000);
    let shoal = Shoal::up(&single("hello", "http_hello", json!({}))).await;
    let mut silent = Vec::new();
    for _ in 0..MOST {
        silent.push(Raw::connect(shoal.address()).await);
    }
    for _ in 0..100 {
        get(shoal.address(), "/").await.is(200, "hello, world\n");
    }
    // Those that were silent for longest made room.
    assert_eq!(silent[0].read_to_end().await, "");
    let late = &mut silent[MOST - 1];
    assert!(
        late.write("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await
    );
    assert!(late.read_to_end().await.contains("hello, world\n"));
}

#[tokio::test]
async fn an_upload_that_stalls_ends_at_its_deadline_and_others_go_on() {
    let limits = json!({"limits": {"requestTimeout": "500ms", "concurrency": 2, "queueLength": 100}});
    let shoal = Shoal::up(&single("sink", "http_sink", limits)).await;
    let mut stalled = Vec::new();
    for _ in 0..2 {
        let mut raw = Raw::connect(shoal.address()).await;
        raw.write("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\nconnection: close\r\n\r\nbeginning")
            .await;
        stalled.push(raw);
    }
    for mut raw in stalled {
        let answer = raw.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
        assert!(answer.contains("limits.requestTimeout"), "{answer}");
    }
    shoal_e2e::post(shoal.address(), "/", "quick")
        .await
        .has(200, "5 bytes");
}
