//! Containers that a webhook has put into a service's pods: the proxy of a mesh, an agent. No Linux container runs beside components, so
//! such a pod never becomes ready. What is said names the container and the way out.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use shoal_api::WasmService;

use crate::verdict::{Cause, Failure};

/// Who injects, by how the containers' names begin, and what keeps it from pods.
const KNOWN: [(&str, &str, &str); 6] = [
    ("istio-", "Istio", "labels: {sidecar.istio.io/inject: \"false\"}"),
    (
        "linkerd-",
        "Linkerd",
        "annotations: {linkerd.io/inject: disabled}",
    ),
    ("daprd", "Dapr", "annotations: {dapr.io/enabled: \"false\"}"),
    (
        "vault-agent",
        "Vault",
        "annotations: {vault.hashicorp.com/agent-inject: \"false\"}",
    ),
    (
        "consul-",
        "Consul",
        "annotations: {consul.hashicorp.com/connect-inject: \"false\"}",
    ),
    ("kuma-", "Kuma", "labels: {kuma.io/sidecar-injection: disabled}"),
];

/// Whether a container of a pod is none of the service's components.
pub(crate) fn is_injected(service: &WasmService, container: &ContainerStatus) -> bool {
    let mut components = service.spec.components.iter();
    !components.any(|it| it.name == container.name)
}

/// What was injected into a pod: one failure for each container.
pub(crate) fn of_pod(service: &WasmService, pod: &Pod) -> Vec<Failure> {
    let Some(status) = &pod.status else {
        return Vec::new();
    };
    let all = [&status.init_container_statuses, &status.container_statuses];
    let containers = all.into_iter().flatten().flatten();
    let injected = containers.filter(|it| is_injected(service, it));
    injected.map(|it| failure(&it.name)).collect()
}

fn failure(container: &str) -> Failure {
    let known = KNOWN.iter().find(|(name, ..)| container.starts_with(name));
    let (who, way_out) = match known {
        Some((_, who, way_out)) => (*who, format!("set spec.template.metadata.{way_out}")),
        None => (
            "a webhook",
            "set the label or annotation that keeps it from a pod under spec.template.metadata".to_owned(),
        ),
    };
    Failure {
        text: format!(
            "container {container} is no component: {who} injected it, and no Linux container runs in a pod of components; {way_out}"
        ),
        kind: None,
        ran: false,
        cause: Cause::Injected,
    }
}

#[cfg(test)]
mod tests {
    use crate::fixtures::*;
    use crate::{Options, Type, plan};
    use serde_json::{Value, json};

    fn status(name: &str) -> Value {
        let message = "failed to create containerd task: shoal.dev/InvalidImage: no component";
        json!({
            "name": name, "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": {"reason": "StartError", "exitCode": 128, "message": message}},
        })
    }

    #[test]
    fn what_was_injected_is_named_with_the_way_out() {
        let service = service(GREETER);
        for (init, container, words) in [
            (
                "istio-init",
                "istio-proxy",
                "labels: {sidecar.istio.io/inject: \"false\"}",
            ),
            (
                "linkerd-init",
                "linkerd-proxy",
                "annotations: {linkerd.io/inject: disabled}",
            ),
            ("web", "daprd", "dapr.io/enabled"),
            ("vault-agent-init", "vault-agent", "agent-inject: \"false\""),
            ("web", "log-shipper", "a webhook injected it"),
        ] {
            let mut observed = resolved(&service);
            let first = plan(&service, &observed, &Options::default());
            let mut deployment = rolled_out(&first);
            deployment.status.as_mut().unwrap().available_replicas = None;
            observed.workload.deployment = Some(deployment);
            let waiting = json!({
                "name": "web", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                "state": {"waiting": {"reason": "PodInitializing"}},
            });
            let init = if init == "web" {
                json!([])
            } else {
                json!([status(init)])
            };
            let statuses =
                json!({"initContainerStatuses": init, "containerStatuses": [waiting, status(container)]});
            observed.pods = vec![pod(&first, statuses)];
            let plan = plan(&service, &observed, &Options::default());
            is(&plan, Type::Ready, "False", "ContainerInjected");
            let message = condition(&plan, Type::Ready).message;
            let named = message.contains(&format!("container {container} is no component"));
            assert!(named && message.contains(words), "{message}");
            assert!(!message.contains("component istio"), "{message}");
        }
    }
}
