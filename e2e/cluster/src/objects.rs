//! The objects that a new cluster gets: runtime classes, and DNS as a service. Data; applying them is `up`'s part.

use serde_json::{Value, json};

use crate::config;
use crate::control::METRICS_PORT;
use crate::layout::{Layout, SERVICE_DNS};

/// All of them, as a list.
pub(crate) fn all(layout: &Layout, bare: bool, metrics: bool) -> Value {
    let mut items: Vec<Value> = config::runtimes(bare)
        .map(|runtime| {
            json!({
                "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass",
                "metadata": {"name": runtime.name},
                "handler": runtime.name,
            })
        })
        .collect();
    let ports = |target: bool| -> Value {
        let port = |name: &str, protocol: &str| {
            let mut port = json!({"name": name, "port": 53, "protocol": protocol});
            if target {
                port["targetPort"] = 53.into();
            }
            port
        };
        json!([port("dns", "UDP"), port("dns-tcp", "TCP")])
    };
    let reading = json!([
        {"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]);
    items.extend([
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": "system:coredns"}, "rules": reading,
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": "system:coredns"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:coredns"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "system:coredns"}],
        }),
        // Without a selector: CoreDNS runs beside the API server, in no pod.
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "kube-dns", "namespace": "kube-system"},
            "spec": {"clusterIP": SERVICE_DNS, "ports": ports(true)},
        }),
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {
                "name": "kube-dns", "namespace": "kube-system",
                "labels": {"kubernetes.io/service-name": "kube-dns", "endpointslice.kubernetes.io/managed-by": "shoal-cluster"},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": [layout.control_ip()], "conditions": {"ready": true}}],
            "ports": ports(false),
        }),
    ]);
    if metrics {
        items.extend(metrics_server(layout));
    }
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

/// metrics-server as a part of the API. It runs beside the API server, in no pod.
fn metrics_server(layout: &Layout) -> [Value; 7] {
    let name = "system:metrics-server";
    let subjects = json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}]);
    let binding = |kind: &str, name: &str, of: &str, role: &str| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": of, "name": role},
            "subjects": subjects,
        })
    };
    let mut reader = binding(
        "RoleBinding",
        name,
        "Role",
        "extension-apiserver-authentication-reader",
    );
    reader["metadata"]["namespace"] = "kube-system".into();
    [
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": name},
            "rules": [
                {"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]},
                {"apiGroups": [""], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]},
            ],
        }),
        binding("ClusterRoleBinding", name, "ClusterRole", name),
        binding(
            "ClusterRoleBinding",
            &format!("{name}:auth"),
            "ClusterRole",
            "system:auth-delegator",
        ),
        reader,
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "metrics-server", "namespace": "kube-system"},
            "spec": {"ports": [{"name": "https", "port": 443, "targetPort": METRICS_PORT}]},
        }),
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {
                "name": "metrics-server", "namespace": "kube-system",
                "labels": {
                    "kubernetes.io/service-name": "metrics-server",
                    "endpointslice.kubernetes.io/managed-by": "shoal-cluster",
                },
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": [layout.control_ip()], "conditions": {"ready": true}}],
            "ports": [{"name": "https", "port": METRICS_PORT, "protocol": "TCP"}],
        }),
        json!({
            "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
            "metadata": {"name": "v1beta1.metrics.k8s.io"},
            "spec": {
                "group": "metrics.k8s.io", "version": "v1beta1",
                "service": {"name": "metrics-server", "namespace": "kube-system"},
                // Its certificate is its own, and the way to it does not leave this machine.
                "insecureSkipTLSVerify": true,
                "groupPriorityMinimum": 100, "versionPriority": 100,
            },
        }),
    ]
}
