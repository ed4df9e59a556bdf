//! Components of WASI 0.3 behind an HTTP trigger.

use ::http::Method;
use futures::SinkExt;
use serde_json::json;
use shoal_e2e::client::{part, request, upload};
use shoal_e2e::manifest::single;
use shoal_e2e::{Client, Shoal, component, get, service};

#[tokio::test]
async fn a_component_of_0_3_answers_over_http_1_1_and_h2c() {
    let shoal = Shoal::up(&single("hello", "http3_hello", json!({}))).await;
    for mut client in [
        Client::h1(shoal.address()).await,
        Client::h2(shoal.address()).await,
    ] {
        for _ in 0..20 {
            client.get("/").await.is(200, "hello, world\n");
        }
    }
}

#[tokio::test]
async fn components_of_both_generations_share_a_service() {
    let two = ("/two", component("two", "http_hello", json!({})));
    let three = ("/three", component("three", "http3_hello", json!({})));
    let shoal = Shoal::up(&service("both", &[two, three], json!({}))).await;
    get(shoal.address(), "/two").await.is(200, "hello, world\n");
    get(shoal.address(), "/three").await.is(200, "hello, world\n");
}

#[tokio::test]
async fn a_component_of_0_3_pumps_a_body_through_its_memory() {
    let shoal = Shoal::up(&single(
        "pump",
        "http3_pump",
        json!({"limits": {"cpuTime": "30s", "requestTimeout": "60s"}}),
    ))
    .await;
    let (mut sender, body) = upload();
    let sending = async {
        for n in 0..200u32 {
            sender.send(part(vec![n as u8; 10_007])).await.unwrap();
        }
        drop(sender);
    };
    let mut client = Client::h1(shoal.address()).await;
    let (answer, ()) = futures::future::join(client.call(request(Method::POST, "/", body)), sending).await;
    let expected: Vec<u8> = (0..200u32)
        .flat_map(|n| vec![(n as u8).wrapping_add(1); 10_007])
        .collect();
    assert_eq!((answer.status, &answer.cut), (200, &None));
    assert!(answer.body == expected, "{} bytes came", answer.body.len());
}

#[tokio::test]
async fn waiting_instances_of_0_3_do_not_wait_for_each_other() {
    let shoal = Shoal::up(&single("sleep", "http3_sleep", json!({}))).await;
    let at = shoal.address();
    for answer in futures::future::join_all((0..50).map(|_| get(at, "/?ms=50"))).await {
        answer.is(200, "slept 50 ms\n");
    }
}
