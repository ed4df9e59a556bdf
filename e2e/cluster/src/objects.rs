//! The objects that a new cluster gets: runtime classes, and DNS as a service. Data; applying them is `up`'s part.

use serde_json::{Value, json};

use crate::config;
use crate::layout::{Layout, SERVICE_DNS};

/// All of them, as a list.
pub(crate) fn all(layout: &Layout, bare: bool) -> Value {
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
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}
