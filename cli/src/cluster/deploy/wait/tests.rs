//! When a service counts as ready: kstatus' rules, on objects as the API server sends them.

use super::*;
use serde_json::{Value, json};

fn condition(kind: &str, status: &str) -> Value {
    json!({
        "type": kind, "status": status, "reason": "Because", "message": "so it is",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    })
}

fn judged(status: Value) -> State {
    let service = json!({"metadata": {"name": "a", "generation": 3}, "spec": {}, "status": status});
    judge(&serde_json::from_value(service).unwrap(), 3)
}

#[test]
fn a_status_of_an_earlier_generation_says_nothing_of_this_one() {
    let ready = condition("Ready", "True");
    assert!(matches!(judged(json!({})), State::Waiting(what) if what.contains("operator running")));
    assert!(matches!(
        judged(json!({"observedGeneration": 2, "conditions": [ready]})),
        State::Waiting(_)
    ));
    assert_eq!(
        judged(json!({"observedGeneration": 3, "conditions": [ready]})),
        State::Ready
    );
    // Somebody changed it once more, and that is ready too.
    assert_eq!(
        judged(json!({"observedGeneration": 4, "conditions": [ready]})),
        State::Ready
    );

    let mut old = condition("Accepted", "False");
    old["observedGeneration"] = json!(2);
    assert_eq!(
        judged(json!({"observedGeneration": 3, "conditions": [old, ready]})),
        State::Ready
    );
}

#[test]
fn what_is_waited_for_is_the_condition_that_does_not_hold() {
    let conditions = json!([
        condition("Ready", "False"),
        condition("ArtifactsResolved", "Unknown")
    ]);
    assert_eq!(
        judged(json!({"observedGeneration": 3, "conditions": conditions})),
        State::Waiting("ArtifactsResolved: Because: so it is".to_owned())
    );
    let conditions = json!([condition("Ready", "False"), condition("Available", "True")]);
    assert_eq!(
        judged(json!({"observedGeneration": 3, "conditions": conditions})),
        State::Waiting("Ready: Because: so it is".to_owned())
    );
}

#[test]
fn what_only_a_change_of_the_manifest_mends_is_not_waited_for() {
    for refusal in [
        condition("Accepted", "False"),
        condition("CapabilitiesGranted", "False"),
        condition("Stalled", "True"),
    ] {
        let conditions = json!([condition("Ready", "False"), refusal]);
        let state = judged(json!({"observedGeneration": 3, "conditions": conditions}));
        assert!(matches!(state, State::Refused(_)), "{state:?}");
    }
}

#[test]
fn several_failures_are_one() {
    let one = |name: &str| NotReady {
        name: name.to_owned(),
        namespace: "default".to_owned(),
        reason: "not ready within 2m".to_owned(),
        conditions: serde_json::from_value(json!([condition("Ready", "False")])).unwrap(),
        pods: Vec::new(),
        events: Vec::new(),
    };
    let failure = failure(&[one("a"), one("b")]);
    assert_eq!(failure.code(), 1);
    assert_eq!(
        failure.message(),
        "a: not ready within 2m\nReady=False: Because: so it is\nb: not ready within 2m\nReady=False: Because: so it is"
    );
    let json = failure.json();
    assert_eq!(json["error"], "a: not ready within 2m");
    assert_eq!(json["services"][1]["conditions"][0]["reason"], "Because");
}
