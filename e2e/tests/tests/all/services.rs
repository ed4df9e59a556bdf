//! The world `my-service` behind HTTP: a string in, a string out.

use ::http::Request;
use serde_json::json;
use shoal_e2e::client::full;
use shoal_e2e::manifest::single;
use shoal_e2e::{Client, Shoal, component, get, post, service};

#[tokio::test]
async fn a_greeter_counts_visits_in_its_store() {
    let greeter = component(
        "web",
        "service_greeter",
        json!({"capabilities": {"keyValue": [{"name": "default", "store": "visits"}]}}),
    );
    let manifest = service(
        "greeter",
        &[("/", greeter)],
        json!({"stores": [{"name": "visits", "memory": {}}]}),
    );
    let shoal = Shoal::up(&manifest).await;
    for visit in 1..=20 {
        post(shoal.address(), "/", "Ada")
            .await
            .is(200, &format!("hello Ada, visit {visit}\n"));
    }
    post(shoal.address(), "/", "Grace")
        .await
        .is(200, "hello Grace, visit 1\n");
}

#[tokio::test]
async fn the_body_is_the_request_and_without_one_the_path_and_query() {
    let shoal = Shoal::up(&single("plain", "service_plain", json!({}))).await;
    let answer = post(shoal.address(), "/ignored?too", "grüße, shoal").await;
    answer.is(200, "GRÜSSE, SHOAL");
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    get(shoal.address(), "/some/path?a=b")
        .await
        .is(200, "/SOME/PATH?A=B");
    post(shoal.address(), "/empty", "").await.is(200, "/EMPTY");
    let mut client = Client::h2(shoal.address()).await;
    client.post("/", "over http/2").await.is(200, "OVER HTTP/2");
}

#[tokio::test]
async fn a_body_that_is_no_text_is_refused() {
    let shoal = Shoal::up(&single("plain", "service_plain", json!({}))).await;
    post(shoal.address(), "/", &b"\xff\xfe\x00"[..])
        .await
        .has(400, "not UTF-8");
    post(shoal.address(), "/", &b"cut in the mid\xc3"[..])
        .await
        .has(400, "not UTF-8");
    post(shoal.address(), "/", "\0 is text")
        .await
        .is(200, "\0 IS TEXT");
}

#[tokio::test]
async fn a_trap_fails_its_own_request_alone_and_is_told_to_the_log_alone() {
    let shoal = Shoal::up(&single("trap", "service_trap", json!({}))).await;
    for _ in 0..10 {
        let answer = post(shoal.address(), "/", "trap").await;
        answer.has(500, "trapped");
        assert!(
            !answer.text().contains("unreachable"),
            "the inside of a component is told to a client"
        );
        post(shoal.address(), "/", "go on").await.is(200, "go on");
    }
    let said = shoal.says("trap", "unreachable").await;
    // The request's number leads from the answer to the log.
    let answer = post(shoal.address(), "/", "trap").await.text();
    let (_, id) = answer.split_once("(request ").expect("a request's number");
    assert_eq!(id.trim_end().trim_end_matches(')').len(), 16, "{said}");
}

#[tokio::test]
async fn a_large_text_goes_both_ways() {
    let shoal = Shoal::up(&single("plain", "service_plain", json!({}))).await;
    let text = "shoal of fish, ".repeat(100_000);
    let call = Request::builder()
        .method("POST")
        .uri("/")
        .body(full(text.clone()))
        .unwrap();
    let answer = Client::h1(shoal.address()).await.call(call).await;
    assert_eq!((answer.status, answer.text() == text.to_uppercase()), (200, true));
}
