//! Which containers get a reader, and which lines were there before.

use super::*;
use serde_json::{Value, json};

fn pod(uid: &str, containers: Value) -> Pod {
    let statuses: Vec<_> = containers
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            json!({
                "name": it[0], "containerID": it[1], "state": it[2],
                "image": "", "imageID": "", "ready": true, "restartCount": 0,
            })
        })
        .collect();
    serde_json::from_value(json!({
        "metadata": {"name": "a-1", "uid": uid}, "status": {"containerStatuses": statuses},
    }))
    .unwrap()
}

fn wanted(component: Option<&str>) -> Wanted {
    Wanted {
        component: component.map(str::to_owned),
        past: LogParams::default(),
    }
}

#[test]
fn each_container_is_read_once_and_again_after_a_restart() {
    let mut seen = Seen::default();
    let mut started = |containers: Value| -> Vec<String> {
        let found = seen.started(&pod("u", containers), &wanted(None));
        found.into_iter().map(|(_, id)| id).collect()
    };
    let (running, waiting, ended) = (
        json!({"running": {}}),
        json!({"waiting": {}}),
        json!({"terminated": {"exitCode": 1}}),
    );
    assert_eq!(
        started(json!([["web", "", waiting], ["auth", "x://1", ended]])),
        ["x://1"]
    );
    assert_eq!(
        started(json!([["web", "x://2", running], ["auth", "x://1", ended]])),
        ["x://2"]
    );
    assert!(started(json!([["web", "x://2", ended], ["auth", "x://1", waiting]])).is_empty());
    assert_eq!(
        started(json!([["web", "x://3", running], ["auth", "x://1", waiting]])),
        ["x://3"]
    );
}

#[test]
fn a_pod_that_is_gone_is_forgotten_and_other_components_are_left_alone() {
    let mut seen = Seen::default();
    let both = pod(
        "u",
        json!([["web", "x://1", {"running": {}}], ["auth", "x://2", {"running": {}}]]),
    );
    let found = seen.started(&both, &wanted(Some("auth")));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0.component, "auth");
    seen.gone(&both);
    assert!(seen.0.is_empty());
}

#[test]
fn lines_of_the_same_second_are_not_written_twice() {
    let origin = Arc::new(Origin {
        pod: "a-1".to_owned(),
        component: "web".to_owned(),
    });
    let line = |text: &str| Line::parse(&origin, text.as_bytes());
    let mut printed = Printed::default();
    assert_eq!(printed.next_connection(), None);
    // What was printed to stderr may come after what was printed to stdout later.
    for text in [
        "2026-01-01T00:00:00.1Z a",
        "2026-01-01T00:00:01.5Z b",
        "2026-01-01T00:00:01.4Z c",
        "no time",
    ] {
        assert!(printed.is_new(&line(text)), "{text}");
    }
    assert_eq!(printed.next_connection(), "2026-01-01T00:00:01.5Z".parse().ok());
    for (text, new) in [
        ("2026-01-01T00:00:01.4Z c", false),
        ("2026-01-01T00:00:01.5Z b", false),
        ("2026-01-01T00:00:01.45Z d", true),
        ("2026-01-01T00:00:01.6Z e", true),
        ("no time", true),
    ] {
        assert_eq!(printed.is_new(&line(text)), new, "{text}");
    }
    printed.next_connection();
    assert!(!printed.is_new(&line("2026-01-01T00:00:01.45Z d")));
}
