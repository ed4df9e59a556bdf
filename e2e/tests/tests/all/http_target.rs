//! What a component learns of the target of a request, and what a client learns of a component's error: of both generations, over both
//! versions of HTTP.

use ::http::Request;
use serde_json::json;
use shoal_e2e::client::{empty, full};
use shoal_e2e::manifest::single;
use shoal_e2e::raw::exchange;
use shoal_e2e::{Client, Shoal, component, service};

#[tokio::test]
async fn a_handler_reads_scheme_and_authority_of_every_request() {
    let two = ("/two", component("two", "http_echo", json!({})));
    let three = ("/three", component("three", "http3_echo", json!({})));
    let shoal = Shoal::up(&service("target", &[two, three], json!({}))).await;
    let at = shoal.address();
    for target in ["/two?q", "/three?q"] {
        for mut client in [Client::h1(at).await, Client::h2(at).await] {
            let answer = client
                .call(Request::post(target).body(full("body")).unwrap())
                .await;
            answer.is(200, "body");
            assert_eq!(answer.header("echo-scheme"), "http", "{target}");
            assert_eq!(answer.header("echo-authority"), at.to_string(), "{target}");
            assert_eq!(answer.header("echo-target"), target);
        }
        // Whatever a client calls it.
        let mut client = Client::h1(at).await;
        let call = Request::get(target).header("host", "shop.example:8080");
        let answer = client.call(call.body(empty()).unwrap()).await;
        assert_eq!(answer.header("echo-authority"), "shop.example:8080", "{target}");
    }
}

#[tokio::test]
async fn a_host_that_is_none_is_refused() {
    let three = ("/three", component("three", "http3_echo", json!({})));
    let two = ("/two", component("two", "http_echo", json!({})));
    let shoal = Shoal::up(&service("host", &[two, three], json!({}))).await;
    for (target, host) in [("/two", ""), ("/three", ""), ("/three", "a/b")] {
        let bytes = format!("GET {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        let answer = exchange(shoal.address(), bytes).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{target} {host:?}: {answer}");
        assert!(answer.contains("RFC 9110 section 7.2"), "{answer}");
    }
}

#[tokio::test]
async fn the_text_of_a_components_error_is_in_its_log_alone() {
    for guest in ["http_error", "http3_error"] {
        let shoal = Shoal::up(&single("failing", guest, json!({}))).await;
        for mut client in [
            Client::h1(shoal.address()).await,
            Client::h2(shoal.address()).await,
        ] {
            let answer = client.get("/?text=password-1234").await;
            answer.has(
                502,
                "the component answered with an error; its log says which (request ",
            );
            assert!(!answer.text().contains("password"), "{}", answer.text());
            // By the request's number the log is found.
            let text = answer.text();
            let request = text.split("(request ").nth(1).and_then(|it| it.split(')').next());
            let said = shoal.says("failing", "password-1234").await;
            assert!(said.contains("InternalError"), "{said}");
            let request = request.expect("a number");
            shoal_e2e::until("the line with the request's number", || {
                let lines = shoal.log.tail();
                lines.contains(request).then_some(())
            })
            .await;
        }
    }
}
