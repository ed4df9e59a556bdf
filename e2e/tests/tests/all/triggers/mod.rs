//! What calls a component beside HTTP, with a real Redis: what is called, tried again, lost and counted. And what a component sends.

mod channels;
mod messaging;
mod mistakes;
mod outages;
mod schedules;
mod streams;

use serde_json::{Value, json};
use shoal_e2e::redis::{Redis, try_say};
use shoal_e2e::{Shoal, component, service, until};

/// A service with a component that a Redis trigger named `jobs` calls, and that counts in the store `seen:` of the same Redis what it
/// was called with.
fn counting(guest: &str, url: &str, trigger: Value, limits: Value) -> String {
    let mut redis = json!({"url": url});
    redis
        .as_object_mut()
        .unwrap()
        .extend(trigger.as_object().unwrap().clone());
    let grants = json!({
        "capabilities": {"keyValue": [{"name": "default", "store": "seen"}]},
        "limits": limits,
    });
    let spec = json!({
        "triggers": [{"name": "jobs", "component": "worker", "redis": redis}],
        "stores": [{"name": "seen", "redis": {"url": url, "prefix": "seen:"}}],
    });
    service("worker", &[("", component("worker", guest, grants))], spec)
}

/// Waits until the component was called with this as often as that.
async fn seen(redis: &Redis, payload: &str, count: &str) {
    until(payload, || {
        (redis.try_say(&["GET", &format!("seen:{payload}")]) == count).then_some(())
    })
    .await;
}

/// Waits until each of the entries `PREFIX0`, `PREFIX1` and so on was handled, and none is pending.
async fn all_done(port: u16, prefix: &str, count: usize) {
    until("all entries", || {
        let script = format!("return #redis.call('KEYS', 'seen:{prefix}*')");
        let keys = try_say(port, &["EVAL", &script, "0"]);
        (keys.parse() == Ok(count)).then_some(())
    })
    .await;
    for number in 0..count {
        let times = try_say(port, &["GET", &format!("seen:{prefix}{number}")]);
        assert!(times.parse::<u64>().unwrap() >= 1, "{prefix}{number}: {times}");
    }
    until("nothing pending", || {
        let pending = try_say(port, &["XPENDING", "orders", "default/worker"]);
        pending.starts_with('0').then_some(())
    })
    .await;
}

/// Asks it to end, and returns what the trigger has counted in all.
async fn counts(mut shoal: Shoal, trigger: &str) -> Value {
    shoal.terminate();
    assert_eq!(shoal.end().await.code(), Some(0), "{}", shoal.log.tail());
    let last = || {
        let told = shoal.log.events("counted");
        let mut told = told.into_iter().filter(|it| it["trigger"] == trigger);
        Some(told.next_back()?["counts"].clone())
    };
    until("the last counts", last).await
}
