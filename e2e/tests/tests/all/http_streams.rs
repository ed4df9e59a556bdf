//! Answers that go on for longer than a request may take to be answered: each part has its own time, and all else its limit.

use ::http::Method;
use futures::SinkExt;
use serde_json::{Value, json};
use shoal_e2e::client::{part, request, upload};
use shoal_e2e::manifest::single;
use shoal_e2e::{Client, Shoal, Up, component, get, service};

fn lines(n: u32) -> String {
    (1..=n).map(|line| format!("{line}\n")).collect()
}

fn limits(timeout: &str, idle: &str) -> Value {
    json!({"limits": {"requestTimeout": timeout, "streamIdleTimeout": idle}})
}

#[tokio::test]
async fn a_stream_goes_on_beyond_the_time_for_its_head() {
    let quick = || limits("500ms", "60s");
    let two = ("/two", component("two", "http_slow_stream", quick()));
    let three = ("/three", component("three", "http3_ticks", quick()));
    let shoal = Shoal::up(&service("ticks", &[two, three], json!({}))).await;
    for target in ["/two", "/three"] {
        for mut client in [
            Client::h1(shoal.address()).await,
            Client::h2(shoal.address()).await,
        ] {
            // For about two seconds.
            let answer = client.get(&format!("{target}?ms=100&n=20")).await;
            answer.is(200, &lines(20));
        }
    }
}

#[tokio::test]
async fn a_stream_on_which_nothing_moves_is_cut_and_the_log_names_the_limit() {
    let idle = || limits("60s", "300ms");
    let two = ("/two", component("two", "http_slow_stream", idle()));
    let three = ("/three", component("three", "http3_ticks", idle()));
    let shoal = Shoal::up(&service("idle", &[two, three], json!({}))).await;
    for target in ["/two", "/three"] {
        let answer = get(shoal.address(), &format!("{target}?ms=600000&n=2")).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "1\n"), "{target}");
        assert!(
            answer.cut.is_some(),
            "{target}: a part must not look like the whole"
        );
    }
    shoal
        .says("idle", "limits.streamIdleTimeout: no part of the answer's body, nor of the request's, moved within 300ms")
        .await;
}

#[tokio::test]
async fn the_time_for_a_head_holds_as_before() {
    let shoal = Shoal::up(&single("sleep", "http_sleep", limits("300ms", "60s"))).await;
    get(shoal.address(), "/?ms=600000")
        .await
        .has(504, "limits.requestTimeout: no answer within 300ms");
}

#[tokio::test]
async fn cpu_time_counts_for_the_whole_of_a_stream() {
    let fields = json!({"limits": {"requestTimeout": "60s", "cpuTime": "300ms"}});
    let shoal = Shoal::up(&single("busy", "http_slow_stream", fields)).await;
    let answer = get(shoal.address(), "/?ms=0&n=10000000").await;
    assert_eq!(answer.status, 200);
    assert!(answer.cut.is_some());
    shoal.says("busy", "limits.cpuTime").await;
}

#[tokio::test]
async fn an_upload_that_moves_keeps_its_answer_going() {
    // The head of the answer is there at once, its body only moves with the upload, and the upload takes longer than either time.
    let shoal = Shoal::up(&single("echo", "http_echo", limits("500ms", "60s"))).await;
    let (mut sender, body) = upload();
    let sending = async move {
        for line in 1..=15 {
            sender.send(part(format!("{line}\n"))).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    let mut client = Client::h1(shoal.address()).await;
    let (answer, ()) = futures::future::join(client.call(request(Method::POST, "/", body)), sending).await;
    answer.is(200, &lines(15));
}

#[tokio::test]
async fn what_a_stream_calls_has_time_of_its_own() {
    let grants = json!({
        "capabilities": {"network": {"outbound": [{"host": "hello", "ports": [80]}]}},
        "limits": {"requestTimeout": "500ms"},
    });
    let shoal = Up::new()
        .manifest(&single("poll", "http_poll", grants))
        .manifest(&single("hello", "http_hello", json!({})))
        .start()
        .await;
    let answer = get(shoal.at("poll"), "/?ms=100&n=15&url=http://hello/").await;
    answer.is(200, &"200\n".repeat(15));
}
