//! Bodies that are written or left in an unusual order: an answer's before its head, a request's that nobody reads.

use ::http::Method;
use serde_json::{Value, json};
use shoal_e2e::client::{full, request};
use shoal_e2e::manifest::single;
use shoal_e2e::raw::Raw;
use shoal_e2e::{Answer, Client, Shoal, get};

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|n| (n % 251) as u8).collect()
}

/// The guest could send requests, too, and is allowed none.
fn limited(memory: &str) -> Value {
    json!({
        "capabilities": {"network": {"outbound": []}},
        "limits": {"memory": memory, "cpuTime": "10s", "requestTimeout": "60s"},
    })
}

#[track_caller]
fn whole(answer: &Answer, bytes: usize) {
    assert_eq!((answer.status, &answer.cut), (200, &None), "{}", answer.text());
    assert_eq!(answer.body.len(), bytes);
    assert!(answer.body == pattern(bytes), "other bytes than were written");
}

#[tokio::test]
async fn a_body_that_is_written_before_its_head_arrives_whole() {
    let shoal = Shoal::up(&single("early", "http_early", limited("32Mi"))).await;
    for mut client in [
        Client::h1(shoal.address()).await,
        Client::h2(shoal.address()).await,
    ] {
        for bytes in [0, 1, 64 << 10, 200 << 10, 5 << 20] {
            whole(&client.get(&format!("/?bytes={bytes}")).await, bytes);
            whole(&client.get(&format!("/?bytes={bytes}&finish=early")).await, bytes);
            let more = client.get(&format!("/?bytes={bytes}&more=3000000")).await;
            whole(&more, bytes + 3_000_000);
        }
        // What others hold that are never sent is given back with them.
        let answer = client.get("/?bytes=1000000&others=5").await;
        whole(&answer, 1_000_000);
    }
}

#[tokio::test]
async fn too_much_of_a_body_before_its_head_ends_with_an_error_that_says_so() {
    let shoal = Shoal::up(&single("early", "http_early", limited("8Mi"))).await;
    // Three answers with 3 MB each are too much together, while one is not.
    whole(&get(shoal.address(), "/?bytes=3000000").await, 3_000_000);
    get(shoal.address(), "/?bytes=3000000&others=2")
        .await
        .has(500, "the component ended; its log says why");
    shoal
        .says(
            "early",
            "limits.memory: the component wrote more than 8388608 bytes of a body before it called response-outparam.set",
        )
        .await;
}

#[tokio::test]
async fn a_request_that_is_written_before_it_is_sent_arrives_whole() {
    let echo = Shoal::up(&single("echo", "http_echo", json!({}))).await;
    let port = echo.address().port();
    let shoal = Shoal::up(&single(
        "early",
        "http_early",
        json!({
            "capabilities": {"network": {"outbound": [{"host": "127.0.0.1", "ports": [port]}]}},
            "limits": {"cpuTime": "10s", "requestTimeout": "60s"},
        }),
    ))
    .await;
    for bytes in [0, 200 << 10, 2 << 20] {
        let target = format!("/?bytes={bytes}&url=http://127.0.0.1:{port}/");
        whole(&get(shoal.address(), &target).await, bytes);
    }
}

#[tokio::test]
async fn an_answer_arrives_though_its_component_leaves_the_request_unread() {
    let shoal = Shoal::up(&single("unread", "hostile_never_reads_request", json!({}))).await;
    let body = vec![b'x'; 5_000_000];
    for _ in 0..20 {
        // One that sends all before it reads a byte, as many clients do.
        let mut raw = Raw::connect(shoal.address()).await;
        let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5000000\r\n\r\n";
        assert!(raw.write(head).await && raw.write(&body).await, "cut off");
        let answer = raw.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("unread\n"), "{answer}");
        // And one that reads as it sends.
        let mut client = Client::h1(shoal.address()).await;
        let answer = client.call(request(Method::POST, "/", full(body.clone()))).await;
        answer.is(200, "unread\n");
    }
}

#[tokio::test]
async fn a_refusal_arrives_though_the_client_sends_on() {
    let limits = json!({"limits": {"requestBody": "1Mi"}});
    let shoal = Shoal::up(&single("echo", "http_echo", limits)).await;
    for _ in 0..20 {
        let mut raw = Raw::connect(shoal.address()).await;
        let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5000000\r\n\r\n";
        assert!(
            raw.write(head).await && raw.write(vec![b'x'; 5_000_000]).await,
            "cut off"
        );
        let answer = raw.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    }
}
