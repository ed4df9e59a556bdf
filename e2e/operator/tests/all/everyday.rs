//! What a cluster's owners do to everybody's pods: labels and places, quotas, and other scalers.

use serde_json::{Value, json};
use shoal_operated::manifest::service;
use shoal_operated::{Operator, condition, condition_is, ready};
use shoal_pods::{Space, guests};

/// Waits until pods of the service are refused: the condition.
fn refused(space: &Space, name: &str) -> Value {
    space.until("wasmservice", name, |it| {
        condition(it, "Ready").filter(|it| it["reason"] == "PodsRefused")
    })
}

#[test]
fn pods_carry_what_the_template_says() {
    let space = Space::new("template");
    let _operator = Operator::start("a", &[&space.name]);
    let mut object = service("greeter", &guests::image("http_hello"));
    object["spec"]["template"] = json!({
        "metadata": {"labels": {"team": "shop"}, "annotations": {"example.com/note": "a"}},
        "spec": {
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "tolerations": [{"key": "nobody-has-it", "operator": "Exists"}],
            "priorityClassName": "system-node-critical",
        },
    });
    space.apply(&object);
    ready(&space, "greeter");
    let pods = space.list(&["pods", "-l", "team=shop"]);
    let pods = pods["items"].as_array().unwrap();
    assert_eq!(pods.len(), 1);
    assert_eq!(pods[0]["metadata"]["annotations"]["example.com/note"], "a");
    assert_eq!(pods[0]["spec"]["nodeSelector"]["kubernetes.io/os"], "linux");
    assert_eq!(pods[0]["spec"]["priorityClassName"], "system-node-critical");
    let tolerations = pods[0]["spec"]["tolerations"].as_array().unwrap();
    assert!(tolerations.iter().any(|it| it["key"] == "nobody-has-it"));
}

#[test]
fn a_component_is_probed_by_its_path_and_has_the_fields_of_its_pod() {
    let space = Space::new("probed");
    let _operator = Operator::start("a", &[&space.name]);
    let mut object = service("greeter", &guests::image("http_hello"));
    let component = &mut object["spec"]["components"][0];
    component["readinessProbe"] = json!({"httpGet": {"path": "/ready?deep=1"}, "periodSeconds": 1});
    component["livenessProbe"] =
        json!({"httpGet": {"path": "/alive"}, "periodSeconds": 1, "failureThreshold": 1});
    component["env"] = json!([
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "MEMORY", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}},
    ]);
    component["envFrom"] = json!([{"configMapRef": {"name": "words", "optional": true}}]);
    space.apply(&object);
    ready(&space, "greeter");
    let pods = space.list(&["pods", "-l", "shoal.dev/service=greeter"]);
    let pod = &pods["items"][0];
    let container = &pod["spec"]["containers"][0];
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/ready?deep=1");
    assert_eq!(container["livenessProbe"]["httpGet"]["port"], 8080);
    assert_eq!(
        container["env"][0]["valueFrom"]["fieldRef"]["fieldPath"],
        "metadata.name"
    );
    assert_eq!(pod["status"]["containerStatuses"][0]["restartCount"], 0);
}

#[test]
fn a_quota_is_met_and_what_it_refuses_is_said() {
    let space = Space::new("quota");
    let _operator = Operator::start("a", &[&space.name]);
    space.apply(&json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"},
        "spec": {"hard": {"limits.cpu": "150m", "limits.memory": "1Gi", "requests.cpu": "1", "requests.memory": "1Gi"}},
    }));
    // A component of 1 MiB would not start.
    space.apply(&json!({
        "apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "tiny"},
        "spec": {"limits": [{"type": "Container", "default": {"memory": "64Ki"}, "defaultRequest": {"memory": "64Ki"}}]},
    }));
    space.apply(&service("greeter", &guests::image("http_hello")));
    ready(&space, "greeter");
    space.kubectl(&["scale", "wsvc", "greeter", "--replicas=2"]);
    let refused = refused(&space, "greeter");
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("exceeded quota: small"), "{message}");
    let more = r#"{"spec":{"hard":{"limits.cpu":"1"}}}"#;
    space.kubectl(&["patch", "resourcequota", "small", "--type=merge", "-p", more]);
    ready(&space, "greeter");
}

#[test]
fn a_job_that_a_quota_refuses_is_said() {
    let space = Space::new("quota-job");
    let _operator = Operator::start("a", &[&space.name]);
    space.apply(&json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}},
    }));
    let mut object = service("once", &guests::image("http_hello"));
    object["spec"]["triggers"] = json!([]);
    space.apply(&object);
    let refused = refused(&space, "once");
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("exceeded quota: none"), "{message}");
}

#[test]
fn who_scales_the_deployment_decides_until_the_manifest_says_another_number() {
    let space = Space::new("scaled");
    let _operator = Operator::start("a", &[&space.name]);
    space.apply(&service("greeter", &guests::image("http_hello")));
    ready(&space, "greeter");
    let by = |words: &str| {
        space.until("wasmservice", "greeter", |it| {
            let by = it["status"]["scaledBy"].as_str()?;
            by.contains(words).then_some(())
        });
    };
    by("spec.scaling");
    let replicas = |wanted: i64| {
        space.until("deployment", "greeter", |it| {
            (it["spec"]["replicas"] == wanted
                && it["status"]["readyReplicas"].as_i64().unwrap_or(0) == wanted)
                .then_some(())
        });
    };
    space.kubectl(&["scale", "deployment", "greeter", "--replicas=2"]);
    by("kubectl");
    replicas(2);
    // Another revision leaves the number as it is.
    let args = r#"[{"op":"add","path":"/spec/components/0/env","value":[{"name":"A","value":"b"}]}]"#;
    space.kubectl(&["patch", "wsvc", "greeter", "--type=json", "-p", args]);
    ready(&space, "greeter");
    replicas(2);
    space.kubectl(&["scale", "deployment", "greeter", "--replicas=0"]);
    by("/scale");
    replicas(0);
    let zero = condition_is(&space, "greeter", "Available", "False");
    assert_eq!(zero["reason"], "ScaledToZero");
    space.kubectl(&["scale", "wsvc", "greeter", "--replicas=1"]);
    by("spec.scaling");
    replicas(1);
}
