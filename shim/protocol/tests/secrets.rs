//! What is sent to a worker holds secrets; `Debug` of it tells none, while what goes over the socket does.

#![allow(
    clippy::expect_used,
    reason = "helpers of tests, which clippy takes for other code"
)]

use serde_json::{Value, json};
use shoal_protocol::ToWorker;

/// The start of a task as version 2 says it, with a secret wherever one can be.
fn start() -> ToWorker {
    let messages = include_str!("golden/v2/to-worker.json");
    let messages: Vec<Value> = serde_json::from_str(messages).expect("JSON");
    let mut message = messages
        .into_iter()
        .find(|it| it.get("start").is_some())
        .expect("a start");
    let task = &mut message["start"]["task"];
    let values = json!({"configMaps": {}, "secrets": {"keys": {"token": "hunter2"}}});
    let env = json!([{"name": "PASSWORD", "value": "hunter2"}]);
    task["component"]["env"] = env.clone();
    task["values"] = values.clone();
    let part = json!({
        "id": "lib",
        "component": {"name": "lib", "file": "lib.wasm", "env": env},
        "values": values,
        "stores": [],
    });
    task["parts"] = json!([part]);
    serde_json::from_value(message).expect("a message")
}

#[test]
fn debug_of_a_start_tells_no_secret() {
    let message = start();
    let sent = serde_json::to_string(&message).expect("JSON");
    assert_eq!(sent.matches("hunter2").count(), 4, "{sent}");
    let ToWorker::Start { task } = &message else {
        panic!("{message:?}");
    };
    for text in [
        format!("{message:?} {message:#?}"),
        format!("{task:?} {:?} {:?}", task.values, task.parts),
    ] {
        assert!(text.contains("PASSWORD") && text.contains("token"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}
