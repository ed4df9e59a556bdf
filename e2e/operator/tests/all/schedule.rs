//! A schedule is a CronJob. When its time comes is Kubernetes' affair: the tests ask for runs at once, as a person would.

use serde_json::{Value, json};
use shoal_operated::manifest::service;
use shoal_operated::{Operator, condition, condition_is, ready};
use shoal_pods::{Space, guests};

/// When New Year begins. Not each minute: a run of the schedule's own beside one that a test asked for would push it out of
/// the history that Kubernetes keeps of failed ones, which is one long.
const SELDOM: &str = "0 0 1 1 *";

/// A service of one program whose time does not come while a test runs.
fn scheduled(name: &str, guest: &str, args: &[&str]) -> Value {
    json!({
        "apiVersion": "shoal.dev/v1alpha1", "kind": "WasmService",
        "metadata": {"name": name},
        "spec": {
            "components": [{"name": "program", "image": guests::image(guest), "args": args}],
            "triggers": [{"name": "tick", "component": "program", "schedule": {"cron": SELDOM}}],
        },
    })
}

/// Asks for a run now, and waits until it has ended in that way.
fn run(space: &Space, cron_job: &str, job: &str, end: &str) {
    space.kubectl(&["create", "job", job, &format!("--from=cronjob/{cron_job}")]);
    let condition = format!("--for=condition={end}");
    space.kubectl(&["wait", &condition, &format!("job/{job}"), "--timeout=120s"]);
}

fn names(space: &Space, what: &[&str]) -> Vec<String> {
    let list = space.list(what);
    let items = list["items"].as_array().unwrap();
    let name = |it: &Value| it["metadata"]["name"].as_str().unwrap().to_owned();
    items.iter().map(name).collect()
}

#[test]
fn a_schedule_is_a_cronjob_whose_runs_end() {
    let space = Space::new("schedule");
    let _operator = Operator::start("a", &[&space.name]);
    let mut object = scheduled("report", "command_hello", &["tick"]);
    object["spec"]["triggers"][0]["schedule"] = json!({
        "cron": SELDOM, "timeZone": "Asia/Kolkata", "concurrencyPolicy": "Forbid", "startingDeadlineSeconds": 30,
    });
    space.apply(&object);
    let done = condition_is(&space, "report", "Ready", "True");
    assert_eq!(done["reason"], "Scheduled");
    for (field, value) in [
        ("schedule", json!(SELDOM)),
        ("timeZone", json!("Asia/Kolkata")),
        ("concurrencyPolicy", json!("Forbid")),
        ("startingDeadlineSeconds", json!(30)),
    ] {
        let spec = &space.get("cronjob", "report-tick")["spec"];
        assert_eq!(spec[field], value, "{spec:#}");
    }
    for kind in ["deployments", "services"] {
        assert!(names(&space, &[kind]).is_empty(), "{kind}");
    }
    run(&space, "report-tick", "by-hand", "complete");
    let log = space.kubectl(&["logs", "job/by-hand"]);
    assert!(log.contains("arg tick"), "{log}");
    condition_is(&space, "report", "CapabilitiesGranted", "True");
    let label = "app.kubernetes.io/name=report,shoal.dev/trigger=tick";
    assert!(!names(&space, &["pods", "-l", label]).is_empty());
    space.kubectl(&["delete", "wsvc", "report", "--wait=true"]);
    space.kubectl(&["wait", "--for=delete", "cronjob/report-tick", "--timeout=60s"]);
}

#[test]
fn a_run_that_fails_is_not_tried_again_and_is_said() {
    let space = Space::new("failing");
    let _operator = Operator::start("a", &[&space.name]);
    space.apply(&scheduled("report", "command_hello", &["exit=1"]));
    ready(&space, "report");
    run(&space, "report-tick", "by-hand", "failed");
    let pods = names(&space, &["pods", "-l", "batch.kubernetes.io/job-name=by-hand"]);
    assert_eq!(pods.len(), 1, "{pods:?}");
    space.until("wasmservice", "report", |object| {
        let ready = condition(object, "Ready")?;
        let said = ready["message"]
            .as_str()?
            .contains("trigger tick: its last run failed");
        (ready["status"] == "True" && said).then_some(())
    });
}

#[test]
fn a_run_that_cannot_start_is_not_ready() {
    let space = Space::new("unstartable");
    let _operator = Operator::start("a", &[&space.name]);
    // It imports what nobody granted.
    space.apply(&scheduled("report", "http_outbound", &[]));
    space.kubectl(&["wait", "--for=create", "cronjob/report-tick", "--timeout=60s"]);
    space.kubectl(&["create", "job", "by-hand", "--from=cronjob/report-tick"]);
    let ready = space.until("wasmservice", "report", |object| {
        let ready = condition(object, "Ready")?;
        (ready["status"] == "False" && ready["reason"] != "Progressing").then_some(ready)
    });
    let reason = ready["reason"].as_str().unwrap();
    assert!(["NotGranted", "PodsFailing"].contains(&reason), "{ready}");
}

#[test]
fn a_time_zone_that_there_is_not_is_said() {
    let space = Space::new("zone");
    let _operator = Operator::start("a", &[&space.name]);
    let mut object = scheduled("report", "command_hello", &[]);
    object["spec"]["triggers"][0]["schedule"]["timeZone"] = json!("Mars/Olympus");
    space.apply(&object);
    let refused = condition_is(&space, "report", "Accepted", "False");
    assert_eq!(refused["reason"], "Refused");
    assert!(refused["message"].as_str().unwrap().contains("Mars/Olympus"));
}

#[test]
fn requests_never_go_to_runs_and_a_schedule_that_is_gone_leaves_nothing() {
    let space = Space::new("both");
    let _operator = Operator::start("a", &[&space.name]);
    let mut object = service("shop", &guests::image("http_hello"));
    let program = json!({"name": "program", "image": guests::image("command_loop")});
    let tick = json!({"name": "tick", "component": "program", "schedule": {"cron": "* * * * *"}});
    object["spec"]["components"].as_array_mut().unwrap().push(program);
    object["spec"]["triggers"].as_array_mut().unwrap().push(tick);
    space.apply(&object);
    ready(&space, "shop");
    let deployment = space.get("deployment", "shop");
    let containers = deployment["spec"]["template"]["spec"]["containers"]
        .as_array()
        .unwrap();
    assert_eq!(containers.len(), 1);
    assert_eq!(containers[0]["name"], "web");
    // It runs until it is ended: meanwhile the Service leads to the pod of the Deployment alone.
    space.kubectl(&["create", "job", "by-hand", "--from=cronjob/shop-tick"]);
    let of_job = "batch.kubernetes.io/job-name=by-hand";
    shoal_pods::until("the run has begun", || {
        let pods = space.list(&["pods", "-l", of_job]);
        let phase = pods["items"][0]["status"]["phase"].clone();
        (phase == "Running").then_some(()).ok_or(phase.to_string())
    });
    let slices = space.list(&["endpointslices", "-l", "kubernetes.io/service-name=shop"]);
    let endpoints = slices["items"].as_array().unwrap().iter();
    let endpoints = endpoints.flat_map(|it| it["endpoints"].as_array().cloned().unwrap_or_default());
    let targets: Vec<_> = endpoints.map(|it| it["targetRef"]["name"].clone()).collect();
    let serving = names(&space, &["pods", "-l", "shoal.dev/service=shop"]);
    assert_eq!(serving.len(), 1, "{serving:?}");
    assert_eq!(targets, [json!(serving[0])]);
    space.apply(&service("shop", &guests::image("http_hello")));
    space.kubectl(&["wait", "--for=delete", "cronjob/shop-tick", "--timeout=60s"]);
    ready(&space, "shop");
    assert_eq!(names(&space, &["deployments"]), ["shop"]);
}
