//! Each limit of a manifest holds, and the answer names it.

use ::http::{Method, Request};
use futures::SinkExt;
use serde_json::{Value, json};
use shoal_e2e::client::{empty, full, part, request, upload};
use shoal_e2e::manifest::single;
use shoal_e2e::{Answer, Client, Shoal, get, post};

fn limited(guest: &str, limits: Value) -> String {
    single("limited", guest, json!({ "limits": limits }))
}

#[tokio::test]
async fn requests_beyond_concurrency_and_queue_are_told_to_come_again() {
    let limits = json!({"concurrency": 1, "queueLength": 1, "requestTimeout": "100s"});
    let shoal = Shoal::up(&limited("http_slow_stream", limits)).await;
    let at = shoal.address();
    // Whose head is there has the only place.
    let mut first = Client::h1(at).await;
    let first = first
        .send(request(Method::GET, "/?ms=20&n=100000", empty()))
        .await;
    // Of two more one waits; it is not told which.
    let calls = [
        tokio::spawn(get(at, "/?ms=0&n=1")),
        tokio::spawn(get(at, "/?ms=0&n=1")),
    ];
    let (refused, _, waiting) = futures::future::select_all(calls).await;
    let refused = refused.unwrap();
    refused.has(503, "limits.concurrency");
    assert!(refused.text().contains("limits.queueLength"));
    assert_eq!(refused.header("retry-after"), "1");
    drop(first);
    for answer in futures::future::join_all(waiting).await {
        answer.unwrap().is(200, "1\n");
    }
}

#[tokio::test]
async fn without_a_queue_nobody_waits() {
    let limits = json!({"concurrency": 2, "queueLength": 0, "requestTimeout": "100s"});
    let shoal = Shoal::up(&limited("http_slow_stream", limits)).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut client = Client::h1(shoal.address()).await;
        let response = client
            .send(request(Method::GET, "/?ms=20&n=100000", empty()))
            .await;
        held.push((client, response));
    }
    for _ in 0..20 {
        get(shoal.address(), "/?ms=0&n=1")
            .await
            .has(503, "limits.concurrency: 2");
    }
}

#[tokio::test]
async fn waiting_in_the_queue_counts_towards_the_deadline() {
    let limits = json!({"concurrency": 1, "queueLength": 10, "requestTimeout": "700ms"});
    let shoal = Shoal::up(&limited("http_sleep", limits)).await;
    let at = shoal.address();
    let answers = futures::future::join_all((0..3).map(|_| get(at, "/?ms=500"))).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 504, 504]);
    assert!(
        answers
            .iter()
            .filter(|it| it.status == 504)
            .all(|it| it.text().contains("limits.requestTimeout"))
    );
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_a_504() {
    let shoal = Shoal::up(&limited("http_sleep", json!({"requestTimeout": "300ms"}))).await;
    get(shoal.address(), "/?ms=600000")
        .await
        .has(504, "limits.requestTimeout: no answer within 300ms");
    shoal.says("limited", "limits.requestTimeout").await;
    get(shoal.address(), "/?ms=1").await.is(200, "slept 1 ms\n");
}

#[tokio::test]
async fn a_request_with_too_large_a_body_is_a_413() {
    for guest in [
        "http_sink",
        "http_echo",
        "service_plain",
        "http3_echo",
        "http3_pump",
    ] {
        let shoal = Shoal::up(&limited(guest, json!({"requestBody": "1Mi"}))).await;
        let at = shoal.address();
        // By its own account.
        post(at, "/", vec![b'x'; (1 << 20) + 1])
            .await
            .has(413, "limits.requestBody");
        // As much as is allowed.
        assert_eq!(post(at, "/", vec![b'x'; 1 << 20]).await.status, 200, "{guest}");
        // Without an account, by what comes. Who streams an answer meanwhile has sent a head already: then it is cut.
        let (mut sender, body) = upload();
        let sending = async move {
            for _ in 0..20 {
                if sender.send(part(vec![b'x'; 100_000])).await.is_err() {
                    return;
                }
            }
        };
        let mut client = Client::h1(at).await;
        let (answer, ()) =
            futures::future::join(client.try_send(request(Method::POST, "/", body)), sending).await;
        match answer {
            Ok(response) => {
                let answer = Answer::read(response).await;
                assert!(
                    answer.status == 413 || answer.cut.is_some(),
                    "{guest}: {answer:?}"
                );
            }
            // The connection was closed while the client still sent, which is what it may do.
            Err(error) => assert!(
                error.is_body_write_aborted() || error.is_closed() || error.is_incomplete_message(),
                "{error:?}"
            ),
        }
    }
}

#[tokio::test]
async fn an_answer_with_too_large_a_body_is_cut_off() {
    let shoal = Shoal::up(&limited("http_source", json!({"responseBody": "1Mi"}))).await;
    for mut client in [
        Client::h1(shoal.address()).await,
        Client::h2(shoal.address()).await,
    ] {
        let answer = client.get(&format!("/?bytes={}", 1 << 20)).await;
        assert_eq!(
            (answer.status, answer.body.len(), &answer.cut),
            (200, 1 << 20, &None)
        );
        let answer = client.get(&format!("/?bytes={}", (1 << 20) + 1)).await;
        assert!(answer.cut.is_some(), "a part must not look like the whole");
        assert!(answer.body.len() <= 1 << 20, "{} bytes came", answer.body.len());
    }
    shoal.says("limited", "limits.responseBody").await;
}

#[tokio::test]
async fn a_text_that_is_too_large_to_answer_is_named() {
    let shoal = Shoal::up(&limited("service_plain", json!({"responseBody": "1000"}))).await;
    post(shoal.address(), "/", "x".repeat(1000))
        .await
        .is(200, &"X".repeat(1000));
    // The whole is there before the head is sent, so the client can be told.
    post(shoal.address(), "/", "x".repeat(1001))
        .await
        .has(500, "limits.responseBody");
}

#[tokio::test]
async fn memory_beyond_its_limit_ends_the_instance_alone() {
    let shoal = Shoal::up(&limited("http_memory", json!({"memory": "32Mi"}))).await;
    for _ in 0..5 {
        get(shoal.address(), "/?mib=16").await.is(200, "16 MiB\n");
        get(shoal.address(), "/?mib=40").await.has(500, "limits.memory");
    }
    shoal.says("limited", "33554432 are allowed").await;
}

#[tokio::test]
async fn computing_counts_as_cpu_time_and_waiting_does_not() {
    let spin = Shoal::up(&limited(
        "http_spin",
        json!({"cpuTime": "200ms", "requestTimeout": "60s"}),
    ))
    .await;
    get(spin.address(), "/?ms=1").await.is(200, "spun 1 ms\n");
    get(spin.address(), "/?ms=50000").await.has(500, "limits.cpuTime");
    spin.says("limited", "limits.cpuTime: the instance used more than the 200ms")
        .await;
    let sleep = Shoal::up(&limited(
        "http_sleep",
        json!({"cpuTime": "100ms", "requestTimeout": "60s"}),
    ))
    .await;
    get(sleep.address(), "/?ms=1000").await.is(200, "slept 1000 ms\n");
}

#[tokio::test]
async fn busy_guests_do_not_keep_others_from_their_turn() {
    let spin = single(
        "spin",
        "http_spin",
        json!({"limits": {"cpuTime": "60s", "requestTimeout": "60s"}}),
    );
    let hello = single("hello", "http_hello", json!({}));
    let shoal = shoal_e2e::Up::new()
        .manifest(&spin)
        .manifest(&hello)
        .start()
        .await;
    let at = shoal.at("spin");
    // More of them than there are threads.
    let busy: Vec<_> = (0..16).map(|_| tokio::spawn(get(at, "/?ms=2000"))).collect();
    let mut client = Client::h1(shoal.at("hello")).await;
    let mut answered = 0;
    while !busy.iter().all(tokio::task::JoinHandle::is_finished) {
        client.get("/").await.is(200, "hello, world\n");
        answered += 1;
    }
    assert!(
        answered > 10,
        "{answered} requests were answered beside 16 busy guests"
    );
}

#[tokio::test]
async fn what_a_component_prints_is_logged_with_its_origin_and_bounded() {
    let shoal = Shoal::up(&limited("http_log", json!({"logRate": "1k", "cpuTime": "20s"}))).await;
    get(shoal.address(), "/?text=blub").await.is(200, "logged\n");
    shoal.says("limited", "stderr 1: blub").await;
    let logs = shoal.log.events("log");
    for (stream, line) in [("stdout", "stdout 1: blub"), ("stderr", "stderr 1: blub")] {
        let event = logs
            .iter()
            .find(|event| event["line"] == line)
            .unwrap_or_else(|| panic!("{}", shoal.log.tail()));
        assert_eq!(
            (&event["stream"], &event["service"], &event["component"]),
            (&json!(stream), &json!("limited"), &json!("web"))
        );
        assert_eq!(event["request"].as_str().map(str::len), Some(16));
    }
    get(shoal.address(), "/?lines=20000&text=much")
        .await
        .is(200, "logged\n");
    shoal_e2e::until("the event of what was dropped", || {
        shoal.log.events("dropped").into_iter().next()
    })
    .await;
    let much = shoal
        .log
        .events("log")
        .iter()
        .filter(|event| event["line"].as_str().is_some_and(|it| it.contains("much")))
        .count();
    assert!(much < 5000, "{much} lines came through");
}

#[tokio::test]
async fn a_long_line_stays_whole_and_a_burst_within_the_rate_is_kept() {
    let shoal = Shoal::up(&limited(
        "http_log",
        json!({"cpuTime": "60s", "requestTimeout": "60s"}),
    ))
    .await;
    let long = "x".repeat(40_000);
    get(shoal.address(), &format!("/?text={long}"))
        .await
        .is(200, "logged\n");
    get(shoal.address(), "/?lines=10000&text=many")
        .await
        .is(200, "logged\n");
    shoal.says("limited", "stderr 10000: many").await;
    let said = shoal.log.of("limited");
    assert!(said.contains(&format!("stdout 1: {long}")));
    for stream in ["stdout", "stderr"] {
        let lines = (1..=10_000).map(|n| format!("{stream} {n}: many"));
        let heard = said
            .iter()
            .filter(|it| it.starts_with(stream) && it.ends_with("many"));
        assert!(lines.eq(heard.cloned()), "{stream}");
    }
    assert_eq!(shoal.log.events("dropped").len(), 0);
}

#[tokio::test]
async fn an_upload_to_one_that_does_not_read_ends_when_it_has_answered() {
    let shoal = Shoal::up(&limited(
        "hostile_never_reads_request",
        json!({"requestBody": "1Gi"}),
    ))
    .await;
    let before = shoal.most_memory();
    let mut client = Client::h1(shoal.address()).await;
    let call = Request::builder()
        .method("POST")
        .uri("/")
        .body(full(vec![b'x'; 50 << 20]))
        .unwrap();
    // The answer may come before the client has sent all; closing the connection is one of the ways to stop it, and the end of the
    // answer may be lost by that (RFC 9112 section 9.6).
    if let Ok(response) = client.try_send(call).await {
        let answer = Answer::read(response).await;
        assert!(
            answer.status == 200 && (answer.text() == "unread\n" || answer.cut.is_some()),
            "{answer:?}"
        );
    }
    get(shoal.address(), "/").await.is(200, "unread\n");
    let grown = shoal.most_memory() - before;
    assert!(grown < 40 << 10, "{grown} KiB more were resident");
}
