//! Objects of Kubernetes, as short as a test wants to say them.

use serde_json::{Value, json};

/// A pod of one component.
pub fn pod(name: &str, image: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": spec(image),
    })
}

/// A pod's spec with one component, which serves on port 80.
pub fn spec(image: &str) -> Value {
    json!({
        "runtimeClassName": "shoal",
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "containers": [{"name": "web", "image": image, "ports": [{"name": "http", "containerPort": 80}]}],
    })
}

/// A Linux container with a shell, for a client.
pub fn busybox(name: &str, registry: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "automountServiceAccountToken": false,
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "shell", "image": format!("{registry}/busybox:1"), "command": ["/bin/sleep", "3600"],
            }],
        },
    })
}

/// A deployment whose pods are spread over the nodes.
pub fn deployment(name: &str, image: &str, replicas: u32) -> Value {
    let mut spec = spec(image);
    spec["topologySpreadConstraints"] = json!([{
        "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": name}},
    }]);
    spec["containers"][0]["readinessProbe"] =
        json!({"httpGet": {"path": "/", "port": 80}, "periodSeconds": 1});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": spec},
        },
    })
}

/// A service in front of the pods of that name.
pub fn service(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 80}]},
    })
}

/// A job that runs a component once.
pub fn job(name: &str, image: &str, args: &[&str]) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": name},
        "spec": {
            "backoffLimit": 0,
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "runtimeClassName": "shoal", "restartPolicy": "Never", "automountServiceAccountToken": false,
                    "containers": [{"name": "main", "image": image, "args": args}],
                },
            },
        },
    })
}
