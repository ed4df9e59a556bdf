//! What is told of pods and events, from objects as the API server sends them.

use super::*;
use serde_json::{Value, json};

fn read(status: Value) -> PodReport {
    let object = json!({
        "metadata": {"name": "a-1", "labels": {"shoal.dev/revision": "r1"}},
        "spec": {"containers": [], "nodeName": "node1"},
        "status": status,
    });
    pod(&serde_json::from_value(object).unwrap())
}

#[test]
fn a_pod_says_why_it_does_not_run() {
    let waiting = json!({
        "phase": "Pending",
        "containerStatuses": [{
            "name": "web", "image": "", "imageID": "", "ready": false, "restartCount": 2,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
            "lastState": {"terminated": {"exitCode": 134, "message": "trap: unreachable"}},
        }],
    });
    let report = read(waiting);
    assert_eq!((report.state.as_str(), report.restarts), ("CrashLoopBackOff", 2));
    assert_eq!(report.message.as_deref(), Some("trap: unreachable"));
    assert_eq!(
        (report.revision.as_deref(), report.node.as_deref()),
        (Some("r1"), Some("node1"))
    );

    let unscheduled = json!({
        "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes"}],
    });
    let report = read(unscheduled);
    assert_eq!(report.state, "Unschedulable");
    assert_eq!(report.message.as_deref(), Some("0/2 nodes"));

    let ready = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
    let report = read(ready);
    assert!(
        report.ready && report.state == "Running" && report.message.is_none(),
        "{report:?}"
    );
}

#[test]
fn an_event_has_the_time_of_its_last_repetition() {
    let told = |more: Value| {
        let mut object = json!({
            "metadata": {"name": "e", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "involvedObject": {"kind": "WasmService", "name": "a"}, "type": "Warning", "reason": "R", "message": "m",
        });
        for (key, value) in more.as_object().unwrap() {
            object[key] = value.clone();
        }
        event(serde_json::from_value(object).unwrap())
    };
    let series = told(json!({
        "eventTime": "2026-01-01T00:00:01.000000Z",
        "series": {"count": 3, "lastObservedTime": "2026-01-01T00:00:09.000000Z"},
    }));
    assert_eq!(series.object, "wasmservice/a");
    assert_eq!(series.last.unwrap().to_string(), "2026-01-01T00:00:09Z");
    let plain = told(json!({"lastTimestamp": "2026-01-01T00:00:05Z"}));
    assert_eq!(plain.last.unwrap().to_string(), "2026-01-01T00:00:05Z");
    assert_eq!(told(json!({})).last.unwrap().to_string(), "2026-01-01T00:00:00Z");
}

#[test]
fn what_holds_is_not_told() {
    let condition = |kind: &str, status: &str| {
        json!({
            "type": kind, "status": status, "reason": "Because", "message": "m",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        })
    };
    let service: Deployed = serde_json::from_value(json!({
        "metadata": {"name": "a"}, "spec": {},
        "status": {"conditions": [condition("Ready", "False"), condition("Accepted", "True"), condition("Available", "Unknown")]},
    }))
    .unwrap();
    let ready = PodReport {
        ready: true,
        ..read(json!({"phase": "Running"}))
    };
    let ailing = PodReport {
        message: Some("no".to_owned()),
        ..read(json!({"phase": "Pending"}))
    };
    let text = text(&unmet(&service), &[ready, ailing], &[], Timestamp::UNIX_EPOCH);
    assert_eq!(
        text,
        "Ready=False: Because: m\nAvailable=Unknown: Because: m\npod a-1: Pending: no\n"
    );
}
