//! What components send, and to which channels they may.

use super::{counting, seen};
use serde_json::{Value, json};
use shoal_e2e::redis::Redis;
use shoal_e2e::{Shoal, Up, component, post, service, until};

fn publisher(grants: Value) -> String {
    let fields = json!({"capabilities": {"messaging": grants}});
    service(
        "publisher",
        &[("/", component("web", "service_publisher", fields))],
        json!({}),
    )
}

#[tokio::test]
async fn messages_go_to_the_channels_that_were_granted_and_to_no_other() {
    let mut redis = Redis::start();
    let url = redis.url();
    let grants = json!([
        {"channel": "news", "redis": {"url": url}},
        {"channel": "orders", "redis": {"url": url, "stream": {}}},
        {"channel": "last", "redis": {"url": url, "stream": {"maxLength": 1}}},
    ]);
    // The other service takes what this one sends.
    let trigger = json!({"channels": ["news"], "streams": [{"stream": "orders"}]});
    let shoal = Up::new()
        .manifest(&publisher(grants))
        .manifest(&counting("service_worker", &url, trigger, json!({})))
        .start()
        .await;
    let at = shoal.at("publisher");
    until("the subscription", || {
        redis
            .say(&["PUBSUB", "NUMSUB", "news"])
            .ends_with('1')
            .then_some(())
    })
    .await;
    post(at, "/", "news\nhello").await.is(200, "sent\n");
    post(at, "/", "orders\nan order\nof two lines")
        .await
        .is(200, "sent\n");
    seen(&redis, "hello", "1").await;
    seen(&redis, "an order\nof two lines", "1").await;
    for channel in ["other", "new", "news2", "orders.dead"] {
        let denied = post(at, "/", format!("{channel}\nx")).await;
        denied.has(200, "denied: ");
        denied.has(200, &format!("capabilities.messaging: {{channel: \"{channel}\""));
        assert_eq!(redis.say(&["EXISTS", channel]), "0");
    }
    shoal
        .says("publisher", "messaging: no channel \"other\" is granted")
        .await;
    let large = "x".repeat((1 << 20) + 1);
    post(at, "/", format!("news\n{large}"))
        .await
        .is(200, "too large: 1048576\n");
    // Redis cuts whole nodes of a hundred entries or so.
    for _ in 0..250 {
        post(at, "/", "last\nx").await.is(200, "sent\n");
    }
    let kept: usize = redis.say(&["XLEN", "last"]).parse().unwrap();
    assert!(kept < 250, "{kept}");
    redis.kill();
    post(at, "/", "orders\nlost").await.has(200, "127.0.0.1");
    redis.again();
    until("an answer", || {
        // It says itself whether it was sent, so the message may be sent again.
        std::net::TcpStream::connect(("127.0.0.1", redis.port))
            .is_ok()
            .then_some(())
    })
    .await;
    shoal_e2e::within("a message that is sent", async {
        while post(at, "/", "orders\nfound").await.text() != "sent\n" {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    seen(&redis, "found", "1").await;
}

#[tokio::test]
async fn a_component_that_may_send_nothing_is_refused_before_it_runs() {
    Up::new().manifest(&publisher(json!([]))).fails().failed(
        1,
        &[
            "shoal:service/messaging@0.1.0 is not granted",
            "spec.components[0].capabilities.messaging: [{channel: CHANNEL, redis: {url: URL}}]",
        ],
    );
}

#[tokio::test]
async fn a_grant_that_names_no_server_is_told_by_its_field() {
    let grants =
        json!([{"channel": "a", "redis": {"urlFrom": {"secretKeyRef": {"name": "cache", "key": "url"}}}}]);
    Up::new().manifest(&publisher(grants)).fails().failed(
        2,
        &[
            "spec.components[0].capabilities.messaging[0].redis.urlFrom",
            "there is no Secret cache",
        ],
    );
    drop(
        Shoal::up(&publisher(
            json!([{"channel": "a", "redis": {"url": "redis://127.0.0.1:1"}}]),
        ))
        .await,
    );
}
