//! Triggers that can't be: each is told by its field, before anything runs.

use serde_json::{Value, json};
use shoal_e2e::{Up, component, run, service};

fn with(guest: &str, trigger: Value) -> String {
    let mut all = json!({"name": "jobs", "component": "worker"});
    all.as_object_mut()
        .unwrap()
        .extend(trigger.as_object().unwrap().clone());
    let grants = json!({"capabilities": {"keyValue": [{"name": "default", "store": "s"}]}});
    service(
        "wrong",
        &[("", component("worker", guest, grants))],
        json!({"triggers": [all], "stores": [{"name": "s", "memory": {}}]}),
    )
}

#[test]
fn what_is_wrong_with_a_trigger_is_told_by_its_field() {
    let schedule = |cron: &str, zone: &str| json!({"schedule": {"cron": cron, "timeZone": zone}});
    let redis = |more: Value| {
        let mut redis = json!({"url": "redis://127.0.0.1:1"});
        redis
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({ "redis": redis })
    };
    let cases = [
        (
            schedule("61 * * * *", "UTC"),
            "spec.triggers[0].schedule.cron",
            "61 * * * *",
        ),
        (schedule("* * * *", "UTC"), "spec.triggers[0].schedule.cron", ""),
        (
            schedule("0 0 31 2 *", "UTC"),
            "spec.triggers[0].schedule.cron",
            "never comes",
        ),
        (schedule("@often", "UTC"), "spec.triggers[0].schedule.cron", ""),
        (
            schedule("* * * * *", "Europe/Atlantis"),
            "spec.triggers[0].schedule.timeZone",
            "Europe/Atlantis",
        ),
        (
            redis(json!({"patterns": ["a.*", "b[c"]})),
            "spec.triggers[0].redis.patterns[1]",
            "[ without a ]",
        ),
        (redis(json!({})), "spec.triggers[0].redis", "channels"),
        (
            redis(json!({"channels": [""]})),
            "spec.triggers[0].redis.channels[0]",
            "",
        ),
        (
            redis(json!({"streams": [{"stream": "a", "maxAttempts": 0}]})),
            "spec.triggers[0].redis.streams[0].maxAttempts",
            "",
        ),
        (
            json!({"redis": {"url": "redis://127.0.0.1:1/x", "channels": ["a"]}}),
            "spec.triggers[0].redis.url",
            "",
        ),
    ];
    for (trigger, field, why) in cases {
        Up::new()
            .manifest(&with("service_worker", trigger))
            .fails()
            .failed(2, &["manifest-0.yaml", field, why]);
    }
}

#[test]
fn a_component_that_no_message_can_call_is_told_what_to_export() {
    for trigger in [
        json!({"schedule": {"cron": "* * * * *"}}),
        json!({"redis": {"url": "redis://127.0.0.1:1", "channels": ["a"]}}),
    ] {
        Up::new().manifest(&with("http_hello", trigger)).fails().failed(
            1,
            &[
                "component worker",
                "spec.triggers[0].component",
                "wasi:http/incoming-handler",
                "shoal:service/message-handler",
            ],
        );
    }
    // And the other way around.
    Up::new()
        .manifest(&with("service_worker", json!({"http": {}})))
        .fails()
        .failed(
            1,
            &[
                "component worker",
                "shoal:service/message-handler",
                "wasi:http/incoming-handler",
            ],
        );
}

#[test]
fn validate_knows_them_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wrong.yaml");
    let wrong = with("service_worker", json!({"schedule": {"cron": "61 * * * *"}}));
    std::fs::write(&path, wrong).unwrap();
    let ended = run(&["validate", path.to_str().unwrap()]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stdout.contains("spec.triggers[0].schedule.cron"),
        "{ended:#?}"
    );
}
