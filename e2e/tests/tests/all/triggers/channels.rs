//! Messages of channels and patterns, which nobody keeps.

use super::{counting, counts, seen};
use serde_json::json;
use shoal_e2e::redis::Redis;
use shoal_e2e::{Shoal, Up, until};

async fn subscribed(redis: &Redis) {
    until("the subscription", || {
        let said = redis.try_say(&["PUBSUB", "NUMSUB", "a"]);
        said.ends_with('1').then_some(())
    })
    .await;
}

#[tokio::test]
async fn messages_of_channels_and_patterns_call() {
    let redis = Redis::start();
    let trigger = json!({"channels": ["a"], "patterns": ["b.*"]});
    let limits = json!({"requestBody": "1Ki"});
    let shoal = Shoal::up(&counting("service_worker", &redis.url(), trigger, limits)).await;
    assert_eq!(shoal.log.events("waiting")[0]["triggers"], json!(["jobs"]));
    until("the subscription", || {
        redis.say(&["PUBSUB", "NUMPAT"]).ends_with('1').then_some(())
    })
    .await;
    assert_eq!(redis.say(&["PUBLISH", "a", "one"]), "1");
    assert_eq!(redis.say(&["PUBLISH", "b.c", "two"]), "1");
    assert_eq!(redis.say(&["PUBLISH", "c", "nobody"]), "0");
    // Larger than allowed: it is never in memory, and the connection goes on. (From 32 MB on Redis itself would end it.)
    redis.say(&[
        "EVAL",
        "return redis.call('PUBLISH', 'a', string.rep('x', 20000000))",
        "0",
    ]);
    redis.say(&["PUBLISH", "a", "three"]);
    for payload in ["one", "two", "three"] {
        seen(&redis, payload, "1").await;
    }
    assert!(shoal.most_memory() < 400 << 10, "{} KiB", shoal.most_memory());
    let counts = counts(shoal, "jobs").await;
    let told = [
        "calls",
        "succeeded",
        "failed",
        "oversized",
        "dropped",
        "disconnected",
    ];
    assert_eq!(
        told.map(|name| counts[name].as_u64().unwrap()),
        [3, 3, 0, 1, 0, 0]
    );
}

#[tokio::test]
async fn a_string_in_is_enough() {
    let redis = Redis::start();
    let trigger = json!({"channels": ["a"]});
    let shoal = Shoal::up(&counting("service_greeter", &redis.url(), trigger, json!({}))).await;
    subscribed(&redis).await;
    redis.say(&["PUBLISH", "a", "fish"]);
    seen(&redis, "fish", "1").await;
    drop(shoal);
}

#[tokio::test]
async fn what_nobody_can_take_at_once_is_dropped_and_counted() {
    let redis = Redis::start();
    let trigger = json!({"channels": ["a"]});
    let limits = json!({"concurrency": 1, "queueLength": 1});
    let shoal = Shoal::up(&counting("service_worker", &redis.url(), trigger, limits)).await;
    subscribed(&redis).await;
    redis.say(&[
        "EVAL",
        "for i = 1, 100 do redis.call('PUBLISH', 'a', 'slow' .. i) end",
        "0",
    ]);
    // Told by itself while it runs, since something was lost.
    until("the counts", || {
        let told = shoal.log.events("counted");
        let dropped = |it: &serde_json::Value| it["counts"]["dropped"].as_u64().unwrap() > 0;
        told.iter().any(dropped).then_some(())
    })
    .await;
    let counts = counts(shoal, "jobs").await;
    let of = |name: &str| counts[name].as_u64().unwrap();
    assert_eq!(of("succeeded") + of("dropped"), 100, "{counts}");
    assert!(of("dropped") > 0 && of("succeeded") > 0, "{counts}");
    assert_eq!((of("calls"), of("failed")), (of("succeeded"), 0), "{counts}");
}

#[tokio::test]
async fn a_subscription_comes_back_by_itself() {
    let mut redis = Redis::start();
    let trigger = json!({"channels": ["a"]});
    let shoal = Shoal::up(&counting("service_worker", &redis.url(), trigger, json!({}))).await;
    subscribed(&redis).await;
    redis.kill();
    shoal.says("worker", "trying again until it is back").await;
    redis.again();
    subscribed(&redis).await;
    redis.say(&["PUBLISH", "a", "after"]);
    seen(&redis, "after", "1").await;
    shoal.says("worker", "Redis is back").await;
    let counts = counts(shoal, "jobs").await;
    assert_eq!(
        (&counts["disconnected"], &counts["succeeded"]),
        (&json!(1), &json!(1))
    );
}

#[tokio::test]
async fn a_changed_manifest_changes_what_is_listened_to() {
    let redis = Redis::start();
    let text = |channel: &str| {
        let trigger = json!({"channels": [channel]});
        counting("service_worker", &redis.url(), trigger, json!({}))
    };
    let shoal = Up::new().manifest(&text("a")).arg("--watch").start().await;
    subscribed(&redis).await;
    redis.say(&["PUBLISH", "a", "before"]);
    seen(&redis, "before", "1").await;
    std::fs::write(shoal.folder().join("manifest-0.yaml"), text("b")).unwrap();
    until("the other channel", || {
        let said = redis.say(&["PUBSUB", "NUMSUB", "a", "b"]);
        (said.split_whitespace().collect::<Vec<_>>() == ["a", "0", "b", "1"]).then_some(())
    })
    .await;
    redis.say(&["PUBLISH", "b", "after"]);
    seen(&redis, "after", "1").await;
    // The trigger that ended said what it had counted; the new one begins anew.
    let told = shoal.log.events("counted");
    assert_eq!(told[0]["counts"]["calls"], 1, "{told:?}");
    assert_eq!(counts(shoal, "jobs").await["calls"], 1);
}
