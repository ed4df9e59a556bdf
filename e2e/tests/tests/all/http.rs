//! An HTTP trigger speaks 1.1 and h2c, finds the component by its path, and hands over requests and answers whole.

use ::http::{Method, Request};
use serde_json::json;
use shoal_e2e::client::{empty, full, part, request, upload};
use shoal_e2e::manifest::single;
use shoal_e2e::raw::{Raw, exchange};
use shoal_e2e::{Client, Shoal, Up, component, get, service};

#[tokio::test]
async fn a_component_answers_over_http_1_1_and_h2c() {
    let shoal = Shoal::up(&single("hello", "http_hello", json!({}))).await;
    get(shoal.address(), "/").await.is(200, "hello, world\n");
    let mut client = Client::h2(shoal.address()).await;
    for _ in 0..3 {
        client.get("/any/path?and=query").await.is(200, "hello, world\n");
    }
}

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let shoal = Shoal::up(&single("hello", "http_hello", json!({}))).await;
    let mut client = Client::h1(shoal.address()).await;
    for _ in 0..100 {
        client.get("/").await.is(200, "hello, world\n");
    }
    // Two that come in one packet are answered in their order.
    let mut raw = Raw::connect(shoal.address()).await;
    raw.write("GET / HTTP/1.1\r\nhost: x\r\n\r\nGET /2 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await;
    assert_eq!(raw.read_to_end().await.matches("HTTP/1.1 200 OK\r\n").count(), 2);
}

#[tokio::test]
async fn many_requests_share_one_connection_of_http_2_at_once() {
    let shoal = Shoal::up(&single("sleep", "http_sleep", json!({}))).await;
    let client = Client::h2(shoal.address()).await;
    let calls = (0..50).map(|_| {
        let mut client = client.again();
        async move { client.get("/?ms=20").await }
    });
    for answer in futures::future::join_all(calls).await {
        answer.is(200, "slept 20 ms\n");
    }
}

#[tokio::test]
async fn the_longest_path_decides_which_component_answers() {
    let hello = component("hello", "http_hello", json!({}));
    let echo = component("echo", "http_echo", json!({}));
    let shoal = Shoal::up(&service(
        "two",
        &[("/hello", hello), ("/hello/echo", echo)],
        json!({}),
    ))
    .await;
    let at = shoal.address();
    get(at, "/hello").await.is(200, "hello, world\n");
    get(at, "/hello/there").await.is(200, "hello, world\n");
    assert_eq!(
        get(at, "/hello/echo/a?b=c").await.header("echo-target"),
        "/hello/echo/a?b=c"
    );
    assert_eq!(get(at, "/").await.status, 404);
    assert_eq!(get(at, "/hellos").await.status, 404);
}

#[tokio::test]
async fn several_manifests_run_side_by_side_at_addresses_of_their_own() {
    let up = Up::new().manifest(&single("one", "http_hello", json!({})));
    let shoal = up
        .manifest(&single("two", "http_counter", json!({})))
        .start()
        .await;
    get(shoal.at("one"), "/").await.is(200, "hello, world\n");
    get(shoal.at("two"), "/").await.is(200, "1\n");
}

#[tokio::test]
async fn method_target_headers_and_body_arrive_as_they_were_sent() {
    let shoal = Shoal::up(&single("echo", "http_echo", json!({}))).await;
    let build = || {
        let head = Request::builder()
            .method("PURGE")
            .uri("/a%20b/../c?x=%2F&y")
            .header("x-two", "first")
            .header("x-two", "2nd");
        head.body(full("the body")).unwrap()
    };
    for mut client in [
        Client::h1(shoal.address()).await,
        Client::h2(shoal.address()).await,
    ] {
        let answer = client.call(build()).await;
        answer.is(200, "the body");
        assert_eq!(answer.header("echo-method"), "PURGE");
        assert_eq!(answer.header("echo-target"), "/a%20b/../c?x=%2F&y");
        assert_eq!(answer.header("echo-authority"), shoal.address().to_string());
        let two: Vec<_> = answer.headers.get_all("echo-x-two").iter().collect();
        assert_eq!(two, ["first", "2nd"]);
    }
}

#[tokio::test]
async fn trailers_arrive_over_both_versions() {
    let hello = ("/out", component("trailers", "http_trailers", json!({})));
    let echo = ("/back", component("echo", "http3_echo", json!({})));
    let shoal = Shoal::up(&service("trailers", &[hello, echo], json!({}))).await;
    let te = || {
        Request::builder()
            .uri("/out")
            .header("te", "trailers")
            .body(empty())
            .unwrap()
    };
    for mut client in [
        Client::h1(shoal.address()).await,
        Client::h2(shoal.address()).await,
    ] {
        let answer = client.call(te()).await;
        answer.is(200, "mind the trailer\n");
        assert_eq!(answer.trailers.expect("trailers")["fish"], "shoal");
    }
    // And those of a request reach the component, which sends them back.
    let (mut sender, body) = upload();
    let mut client = Client::h2(shoal.address()).await;
    let call = Request::builder()
        .method("POST")
        .uri("/back")
        .header("te", "trailers")
        .body(body)
        .unwrap();
    let sending = async move {
        let trailers = [("cat".parse().unwrap(), "fish".parse().unwrap())]
            .into_iter()
            .collect();
        futures::SinkExt::send(&mut sender, part("meow")).await.unwrap();
        futures::SinkExt::send(&mut sender, Ok(http_body::Frame::trailers(trailers)))
            .await
            .unwrap();
    };
    let (answer, ()) = futures::future::join(client.call(call), sending).await;
    answer.is(200, "meow");
    assert_eq!(answer.trailers.expect("trailers")["cat"], "fish");
}

#[tokio::test]
async fn headers_may_be_many_and_large_within_their_limit() {
    let big = ("/out", component("big", "http_big_headers", json!({})));
    let echo = ("/back", component("echo", "http_echo", json!({})));
    let shoal = Shoal::up(&service("headers", &[big, echo], json!({}))).await;
    for mut client in [
        Client::h1(shoal.address()).await,
        Client::h2(shoal.address()).await,
    ] {
        let answer = client.get("/out?n=12&bytes=1000").await;
        assert_eq!((answer.status, answer.header("big-12").len()), (200, 1000));
        let value = "y".repeat(8000);
        let call = Request::builder()
            .uri("/back")
            .header("large", &value)
            .body(empty())
            .unwrap();
        assert_eq!(client.call(call).await.header("echo-large"), value);
    }
    // More than a client may send: an answer and no instance, or the end of the connection.
    let huge = format!(
        "GET /back HTTP/1.1\r\nhost: x\r\nlarge: {}\r\n\r\n",
        "y".repeat(200 << 10)
    );
    let answer = exchange(shoal.address(), huge).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
        "{answer}"
    );
    get(shoal.address(), "/back").await.is(200, "");
}

#[tokio::test]
async fn head_is_answered_without_a_body() {
    let hello = ("/hello", component("hello", "http_hello", json!({})));
    let echo = ("/echo", component("echo", "http_echo", json!({})));
    let shoal = Shoal::up(&service("head", &[hello, echo], json!({}))).await;
    for mut client in [
        Client::h1(shoal.address()).await,
        Client::h2(shoal.address()).await,
    ] {
        let answer = client.call(request(Method::HEAD, "/echo", empty())).await;
        answer.is(200, "");
        assert_eq!(answer.header("echo-method"), "HEAD");
        client
            .call(request(Method::HEAD, "/hello", empty()))
            .await
            .is(200, "");
        // The connection is still in step.
        client.get("/hello").await.is(200, "hello, world\n");
    }
}

#[tokio::test]
async fn statuses_without_a_body_keep_the_connection_in_step() {
    let shoal = Shoal::up(&single("status", "http_status", json!({}))).await;
    let mut client = Client::h1(shoal.address()).await;
    for code in [204, 304, 200, 418, 503, 599] {
        client.get(&format!("/?code={code}")).await.is(code, "");
    }
}

#[tokio::test]
async fn what_is_no_request_is_refused_before_a_component_sees_it() {
    let shoal = Shoal::up(&single("echo", "http_echo", json!({}))).await;
    let refused = [
        ("no host", "GET / HTTP/1.1\r\nconnection: close\r\n\r\n"),
        (
            "no host in a request of HTTP/1.0 either",
            "GET / HTTP/1.0\r\n\r\n",
        ),
        ("no version", "GET /\r\n\r\n"),
        ("no HTTP at all", "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n"),
        (
            "a header without a name",
            "GET / HTTP/1.1\r\nhost: x\r\n: y\r\n\r\n",
        ),
        (
            "two lengths",
            "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        ),
        (
            "a length that is none",
            "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        ),
        (
            "a coding that is none",
            "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: nonsense\r\n\r\n",
        ),
    ];
    for (what, bytes) in refused {
        let answer = exchange(shoal.address(), bytes).await;
        assert!(
            answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.0 400"),
            "{what}: {answer:?}"
        );
    }
    // A chunk that lies about its length ends the upload, and nothing of it becomes a request.
    let smuggled = "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nGET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n";
    let answer = exchange(shoal.address(), smuggled).await;
    assert!(!answer.contains("echo-target: /smuggled"), "{answer}");
    get(shoal.address(), "/").await.is(200, "");
}

#[tokio::test]
async fn both_a_length_and_chunks_are_never_read_as_two_requests() {
    let shoal = Shoal::up(&single("echo", "http_echo", json!({}))).await;
    // RFC 9112 section 6.1: chunked wins, or the request is refused.
    let bytes = "POST /first HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n\
                 0\r\n\r\nGET /second HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answer = exchange(shoal.address(), bytes).await;
    let first = answer.contains("echo-target: /first");
    assert!(first || answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(
        !answer.contains("0\r\n\r\nGET"),
        "the length was taken for that of the body: {answer}"
    );
}
