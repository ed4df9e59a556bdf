//! Each kind of object that the operator makes is made, changed and taken away by it with the rights that the chart grants.

use serde_json::{Value, json};
use shoal_pods::{Space, cluster, guests, until};
use shoal_services::{installed, manifest};

const KINDS: [&str; 5] = [
    "deployment",
    "service",
    "networkpolicy",
    "poddisruptionbudget",
    "horizontalpodautoscaler",
];

#[test]
fn what_a_service_needs_comes_changes_and_goes() {
    let space = Space::new("objects");
    installed();
    // A reference to each kind, and a Secret that opens a registry.
    space.apply(&json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "words"}, "data": {"greeting": "hello"},
    }));
    let login =
        json!({"auths": {cluster().registry.clone(): {"username": "somebody", "password": "secret"}}})
            .to_string();
    space.apply(&json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": login},
    }));
    let image = guests::image("http_hello");
    let mut service = manifest::service("shop", &image);
    service["spec"]["imagePullSecrets"] = json!([{"name": "login"}]);
    service["spec"]["components"][0]["env"] =
        json!([{"name": "GREETING", "valueFrom": {"configMapKeyRef": {"name": "words", "key": "greeting"}}}]);
    service["spec"]["scaling"] = json!({"minReplicas": 2, "maxReplicas": 4});
    space.apply(&service);
    space.kubectl(&["wait", "--for=condition=Ready", "wsvc/shop", "--timeout=120s"]);
    for kind in KINDS {
        space.get(kind, "shop");
    }
    let events = space.kubectl(&["get", "events.events.k8s.io", "-o", "name"]);
    assert!(!events.is_empty());

    // Each of them changes: another grant, other bounds.
    let wanted = |object: &Value| object["metadata"]["generation"].as_u64();
    let before: Vec<_> = KINDS
        .iter()
        .map(|kind| wanted(&space.get(kind, "shop")))
        .collect();
    service["spec"]["scaling"] = json!({"minReplicas": 3, "maxReplicas": 5});
    service["spec"]["components"][0]["capabilities"] =
        json!({"network": {"outbound": [{"host": "10.0.0.0/8", "ports": [5432]}]}});
    space.apply(&service);
    space.until("networkpolicy", "shop", |it| {
        it["spec"].to_string().contains("5432").then_some(())
    });
    space.until("horizontalpodautoscaler", "shop", |it| {
        (it["spec"]["minReplicas"] == 3).then_some(())
    });
    space.until("deployment", "shop", |it| (wanted(it) > before[0]).then_some(()));

    // No room for a choice of replicas, and no second one: neither autoscaler nor budget.
    service["spec"]["scaling"] = json!({"minReplicas": 1, "maxReplicas": 1});
    space.apply(&service);
    for kind in ["horizontalpodautoscaler", "poddisruptionbudget"] {
        space.kubectl(&["wait", "--for=delete", &format!("{kind}/shop"), "--timeout=60s"]);
    }
}

#[test]
fn a_service_that_nobody_calls_any_more_becomes_a_job_and_back() {
    let space = Space::new("jobs");
    installed();
    let http = manifest::service("report", &guests::image("http_hello"));
    space.apply(&http);
    space.kubectl(&["wait", "--for=condition=Ready", "wsvc/report", "--timeout=120s"]);
    let job = json!({
        "apiVersion": "shoal.dev/v1alpha1", "kind": "WasmService", "metadata": {"name": "report"},
        "spec": {"components": [{"name": "web", "image": guests::image("command_hello")}]},
    });
    let jobs = || space.list(&["jobs"])["items"].as_array().unwrap().len();
    space.apply(&job);
    for kind in ["deployment", "service"] {
        space.kubectl(&["wait", "--for=delete", &format!("{kind}/report"), "--timeout=60s"]);
    }
    space.until("wsvc", "report", |it| {
        let completed = it["status"]["conditions"].to_string().contains("\"Completed\"");
        completed.then_some(())
    });
    assert_eq!(jobs(), 1);
    space.apply(&http);
    space.kubectl(&["wait", "--for=create", "deployment/report", "--timeout=60s"]);
    space.until("deployment", "report", |it| {
        (it["status"]["readyReplicas"] == 1).then_some(())
    });
    until("the job is gone", || match jobs() {
        0 => Ok(()),
        left => Err(format!("{left} jobs")),
    });
}

#[test]
fn a_schedule_comes_changes_and_goes() {
    let space = Space::new("schedules");
    installed();
    let without = manifest::service("report", &guests::image("http_hello"));
    let mut report = without.clone();
    let program = json!({"name": "program", "image": guests::image("command_hello")});
    report["spec"]["components"].as_array_mut().unwrap().push(program);
    // No minute comes while the test runs.
    let tick = |cron: &str| json!({"name": "yearly", "component": "program", "schedule": {"cron": cron}});
    report["spec"]["triggers"]
        .as_array_mut()
        .unwrap()
        .push(tick("0 0 29 2 *"));
    space.apply(&report);
    space.kubectl(&["wait", "--for=create", "cronjob/report-yearly", "--timeout=60s"]);
    report["spec"]["triggers"][1] = tick("0 1 29 2 *");
    space.apply(&report);
    space.until("cronjob", "report-yearly", |it| {
        (it["spec"]["schedule"] == "0 1 29 2 *").then_some(())
    });
    space.apply(&without);
    space.kubectl(&["wait", "--for=delete", "cronjob/report-yearly", "--timeout=60s"]);
}
