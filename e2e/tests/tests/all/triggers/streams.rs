//! Entries of streams: tried again, taken over, and in the end with the dead letters.

use super::{all_done, counting, counts, seen};
use serde_json::{Value, json};
use shoal_e2e::redis::Redis;
use shoal_e2e::{Shoal, component, service, until};

fn orders(url: &str, more: Value) -> String {
    let mut stream = json!({"stream": "orders", "retryAfter": "50ms"});
    stream
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let limits = json!({"requestTimeout": "2s", "requestBody": "1Ki"});
    counting("service_worker", url, json!({"streams": [stream]}), limits)
}

#[tokio::test]
async fn entries_are_tried_again_and_end_as_dead_letters() {
    let redis = Redis::start();
    // Sent before anybody listened.
    redis.say(&["XADD", "orders", "*", "payload", "early", "more", "x"]);
    let shoal = Shoal::up(&orders(&redis.url(), json!({"maxAttempts": 3}))).await;
    redis.say(&["XADD", "orders", "*", "payload", "fail-1"]);
    redis.say(&[
        "EVAL",
        "return redis.call('XADD', 'orders', '*', 'payload', string.rep('x', 50000000))",
        "0",
    ]);
    redis.say(&["XADD", "orders", "*", "only", "late"]);
    seen(&redis, "early", "1").await;
    seen(&redis, "late", "1").await;
    seen(&redis, "fail-1", "3").await;
    until("two dead letters", || {
        (redis.say(&["XLEN", "orders.dead"]) == "2").then_some(())
    })
    .await;
    let dead = redis.say(&["XRANGE", "orders.dead", "-", "+"]);
    for said in [
        "fail-1",
        "fail-1 fails, attempt 3",
        "limits.requestBody",
        "default/worker",
        "shoal-id",
    ] {
        assert!(dead.contains(said), "{said}: {dead}");
    }
    until("nothing pending", || {
        let pending = redis.say(&["XPENDING", "orders", "default/worker"]);
        pending.starts_with('0').then_some(())
    })
    .await;
    assert_eq!(redis.say(&["GET", "seen:fail-1"]), "3");
    let counts = counts(shoal, "jobs").await;
    let told = [
        "calls",
        "succeeded",
        "failed",
        "retried",
        "taken",
        "dead",
        "oversized",
    ];
    assert_eq!(
        told.map(|name| counts[name].as_u64().unwrap()),
        [5, 2, 3, 2, 0, 2, 1],
        "{counts}"
    );
    // Its name in the group went with it.
    assert_eq!(redis.say(&["XINFO", "CONSUMERS", "orders", "default/worker"]), "");
}

#[tokio::test]
async fn one_place_is_enough_for_new_entries_and_for_those_that_failed() {
    let redis = Redis::start();
    for number in 0..20 {
        redis.say(&["XADD", "orders", "*", "payload", &format!("fail-{number}")]);
        redis.say(&["XADD", "others", "*", "payload", &format!("other-{number}")]);
    }
    let streams = json!({"streams": [
        {"stream": "orders", "retryAfter": "50ms", "maxAttempts": 2},
        {"stream": "others"},
        {"stream": "silent"},
    ]});
    let text = counting("service_worker", &redis.url(), streams, json!({"concurrency": 1}));
    let shoal = Shoal::up(&text).await;
    for number in 0..20 {
        seen(&redis, &format!("fail-{number}"), "2").await;
        seen(&redis, &format!("other-{number}"), "1").await;
    }
    until("dead letters", || {
        (redis.say(&["XLEN", "orders.dead"]) == "20").then_some(())
    })
    .await;
    drop(shoal);
}

#[tokio::test]
async fn entries_that_are_too_large_together_are_not_too_large() {
    let redis = Redis::start();
    // An answer may have 16 MiB; each of these has 3.
    for number in 0..12 {
        let script = format!(
            "return redis.call('XADD', 'orders', '*', 'payload', 'm{number}', 'ballast', string.rep('x', 3000000))"
        );
        redis.say(&["EVAL", &script, "0"]);
    }
    let streams = json!({"streams": [{"stream": "orders"}]});
    let text = counting(
        "service_worker",
        &redis.url(),
        streams,
        json!({"requestBody": "4Mi"}),
    );
    let shoal = Shoal::up(&text).await;
    all_done(redis.port, "m", 12).await;
    assert_eq!(redis.say(&["EXISTS", "orders.dead"]), "0");
    drop(shoal);
}

#[tokio::test]
async fn what_a_consumer_that_was_killed_had_begun_is_taken_over() {
    let redis = Redis::start();
    let group = "default/worker";
    redis.say(&["XGROUP", "CREATE", "orders", group, "0", "MKSTREAM"]);
    redis.say(&["XADD", "orders", "1-0", "payload", "left0"]);
    redis.say(&[
        "XREADGROUP",
        "GROUP",
        group,
        "gone",
        "COUNT",
        "1",
        "STREAMS",
        "orders",
        ">",
    ]);
    // As if that were an hour ago.
    redis.say(&["XCLAIM", "orders", group, "gone", "0", "1-0", "IDLE", "3600000"]);
    let shoal = Shoal::up(&orders(&redis.url(), json!({}))).await;
    all_done(redis.port, "left", 1).await;
    let counts = counts(shoal, "jobs").await;
    assert_eq!((&counts["taken"], &counts["retried"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn a_service_that_was_killed_goes_on_where_it_was() {
    let redis = Redis::start();
    let text = orders(&redis.url(), json!({"maxAttempts": 1000}));
    for number in 0..60 {
        redis.say(&["XADD", "orders", "*", "payload", &format!("m{number}")]);
    }
    for _ in 0..3 {
        let mut shoal = Shoal::up(&text).await;
        shoal.kill();
    }
    let shoal = Shoal::up(&text).await;
    all_done(redis.port, "m", 60).await;
    drop(shoal);
}

#[tokio::test]
async fn programs_and_traps_end_with_the_dead_letters_too() {
    let redis = Redis::start();
    for (guest, fields, said) in [
        ("command_hello", json!({"args": ["exit=3"]}), "exit code 1"),
        (
            "service_trap",
            json!({}),
            "the component trapped; its log says where",
        ),
        (
            "command_loop",
            json!({"limits": {"requestTimeout": "500ms"}}),
            "limits.requestTimeout",
        ),
    ] {
        let trigger = json!({"name": "jobs", "component": "worker", "redis": {
            "url": redis.url(), "streams": [{"stream": guest, "maxAttempts": 1}],
        }});
        let worker = component("worker", guest, fields);
        let text = service("worker", &[("", worker)], json!({"triggers": [trigger]}));
        redis.say(&["XADD", guest, "*", "payload", "trap"]);
        let shoal = Shoal::up(&text).await;
        let dead = format!("{guest}.dead");
        until(guest, || (redis.say(&["XLEN", &dead]) == "1").then_some(())).await;
        let letter = redis.say(&["XRANGE", &dead, "-", "+"]);
        assert!(letter.contains(said), "{guest}: {letter}");
        let counts = counts(shoal, "jobs").await;
        assert_eq!(
            (&counts["calls"], &counts["failed"], &counts["dead"]),
            (&json!(1), &json!(1), &json!(1)),
            "{guest}"
        );
    }
}
