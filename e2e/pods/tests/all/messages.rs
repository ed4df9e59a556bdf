//! What calls a component of a pod beside HTTP, and what it sends.

use serde_json::json;
use shoal_pods::manifest::pod;
use shoal_pods::space::{local, redis};
use shoal_pods::{Space, cluster, guests, http, until};

#[test]
fn what_one_pod_sends_another_takes_and_none_is_lost_when_its_node_ends_it() {
    let space = Space::new("messages");
    let redis = redis();
    let url = redis.url();
    let mut taker = pod("taker", &guests::image("service_worker"));
    taker["metadata"]["annotations"] = json!({
        "shoal.dev/service": "taker",
        "shoal.dev/triggers": format!(
            "[{{name: jobs, component: web, redis: {{url: '{url}', streams: [{{stream: orders, retryAfter: 100ms}}]}}}}]"
        ),
        "shoal.dev/stores": format!("[{{name: seen, redis: {{url: '{url}', prefix: 'seen:'}}}}]"),
        "shoal.dev/capabilities": "keyValue: [{name: default, store: seen}]",
    });
    let mut sender = pod("sender", &guests::image("service_publisher"));
    sender["metadata"]["annotations"] = json!({
        "shoal.dev/capabilities": format!("messaging: [{{channel: orders, redis: {{url: '{url}', stream: {{}}}}}}]"),
    });
    space.apply(&taker);
    space.apply(&sender);
    let address = space.ready("sender");
    space.ready("taker");
    let group = format!("{}/taker", space.name);
    let send = |text: String| {
        let (status, said) = std::thread::spawn(move || {
            http::enter(&local(&cluster().nodes[0]).netns);
            http::post(address, "/", &text).unwrap()
        })
        .join()
        .unwrap();
        (status, said.trim().to_owned())
    };
    for number in 0..20 {
        assert_eq!(send(format!("orders\norder{number}")), (200, "sent".to_owned()));
        if number == 10 {
            // Another takes over what this one had begun with.
            space.kubectl(&["delete", "pod", "taker", "--force", "--grace-period=0"]);
            taker["metadata"]["name"] = json!("successor");
            space.apply(&taker);
        }
    }
    let denied = send("others\nx".to_owned()).1;
    assert!(denied.starts_with("denied: "), "{denied}");
    until("all orders", || {
        let keys = redis.say(&["EVAL", "return #redis.call('KEYS', 'seen:order*')", "0"]);
        let pending = redis.say(&["XPENDING", "orders", &group]);
        match (keys.as_str(), pending.starts_with('0')) {
            ("20", true) => Ok(()),
            _ => Err(format!("{keys} seen; pending: {pending}")),
        }
    });
}

#[test]
fn a_schedule_calls_its_pod_once() {
    let space = Space::new("due");
    let redis = redis();
    let url = redis.url();
    let mut due = pod("due", &guests::image("service_worker"));
    due["spec"]["restartPolicy"] = json!("Never");
    due["metadata"]["annotations"] = json!({
        "shoal.dev/triggers": "[{name: nightly, component: web, schedule: {cron: '@daily'}}]",
        "shoal.dev/stores": format!("[{{name: seen, redis: {{url: '{url}', prefix: 'seen:'}}}}]"),
        "shoal.dev/capabilities": "keyValue: [{name: default, store: seen}]",
    });
    space.apply(&due);
    let ended = space.terminated("due");
    assert_eq!(ended["exitCode"], 0, "{ended}");
    let keys = redis.say(&["KEYS", "seen:*"]);
    assert!(
        keys.starts_with("seen:20") && keys.lines().count() == 1,
        "called with the time, once: {keys}"
    );
    // What is no component for it says so.
    let mut wrong = pod("wrong", &guests::image("http_hello"));
    wrong["metadata"]["annotations"] =
        json!({"shoal.dev/triggers": "[{name: nightly, component: web, schedule: {cron: '@daily'}}]"});
    space.apply(&wrong);
    space.event("wrong", &["the schedule nightly calls", "handle-request"]);
}
