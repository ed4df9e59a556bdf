//! What a pod has of its own: the template, variables, probes.

use crate::fixtures::*;
use crate::*;
use serde_json::{Value, json};

#[test]
fn pods_are_as_the_template_says_and_are_found_as_ever() {
    let service = service(
        "
components:
- {name: web, image: registry.example/shop:1, resources: {requests: {memory: 128Mi}, limits: {cpu: 1}}}
- {name: report, image: registry.example/report:1}
triggers:
- {name: web, component: web, http: {}}
- {name: nightly, component: report, schedule: {cron: '@daily'}}
template:
  metadata:
    labels: {team: shop}
    annotations: {sidecar.istio.io/inject: 'false'}
  spec:
    nodeSelector: {disk: ssd}
    tolerations: [{key: dedicated, operator: Exists}]
    affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: gpu, operator: DoesNotExist}]}]}}}
    priorityClassName: high
    topologySpreadConstraints: [{maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: DoNotSchedule}]
",
    );
    let plan = plan(&service, &resolved(&service), &Options::default());
    let objects = objects(&plan);
    let job = &objects[&Kind::CronJob]["spec"]["jobTemplate"]["spec"];
    insta::assert_yaml_snapshot!([&objects[&Kind::Deployment]["spec"]["template"], &job["template"]]);
    let labels = |kind: &str, labels: &Value| {
        let ours = labels["shoal.dev/service"].as_str();
        assert_eq!(
            (labels["team"].as_str(), ours),
            (Some("shop"), (kind == "called").then_some("greeter"))
        );
    };
    labels(
        "called",
        &objects[&Kind::Deployment]["spec"]["template"]["metadata"]["labels"],
    );
    labels("scheduled", &job["template"]["metadata"]["labels"]);
}

#[test]
fn variables_are_kubelets_to_resolve_and_whole_objects_are_read_too() {
    let service = service(
        "
components:
- name: web
  image: registry.example/shop:1
  env:
  - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
  - {name: MEMORY, valueFrom: {resourceFieldRef: {resource: limits.memory}}}
  envFrom: [{configMapRef: {name: words}}, {prefix: DB_, secretRef: {name: db}}]
triggers: [{name: web, component: web, http: {}}]
",
    );
    let plan = plan(&service, &resolved(&service), &Options::default());
    is(&plan, Type::Accepted, "True", "Valid");
    let container = objects(&plan)[&Kind::Deployment]["spec"]["template"]["spec"]["containers"][0].clone();
    let component = json!(service.spec.components[0]);
    assert_eq!(container["env"], component["env"]);
    assert_eq!(container["envFrom"], component["envFrom"]);
    let found: Vec<_> = references(&service)
        .into_iter()
        .map(|it| (it.kind, it.name))
        .collect();
    let expected = [(ReferenceKind::ConfigMap, "words"), (ReferenceKind::Secret, "db")];
    assert_eq!(found, expected.map(|(kind, name)| (kind, name.to_owned())));
}

#[test]
fn probes_reach_their_own_component() {
    let spec = |readiness: &str, liveness: &str| {
        format!(
            "
components:
- {{name: web, image: registry.example/web:1}}
- name: api
  image: registry.example/api:1
  readinessProbe: {{httpGet: {{path: {readiness}, httpHeaders: [{{name: Host, value: shop}}]}}, periodSeconds: 5}}
  livenessProbe: {{httpGet: {{path: {liveness}}}, failureThreshold: 2}}
triggers:
- {{name: web, component: web, http: {{}}}}
- {{name: api, component: api, http: {{path: /api}}}}
"
        )
    };
    let good = service(&spec("/api/ready?deep=1", "/api"));
    let good = plan(&good, &resolved(&good), &Options::default());
    let pods = objects(&good)[&Kind::Deployment]["spec"]["template"]["spec"].clone();
    let probes = |index: usize| {
        let container = &pods["containers"][index];
        [
            container["readinessProbe"].clone(),
            container["livenessProbe"].clone(),
        ]
    };
    let listens = json!({"tcpSocket": {"port": 8080}, "periodSeconds": 2, "failureThreshold": 2});
    assert_eq!(probes(0), [listens, Value::Null]);
    let headers = json!([{"name": "Host", "value": "shop"}]);
    let ready = json!({"httpGet": {"path": "/api/ready?deep=1", "port": 8080, "httpHeaders": headers}, "periodSeconds": 5});
    let alive = json!({"httpGet": {"path": "/api", "port": 8080}, "failureThreshold": 2});
    assert_eq!(probes(1), [ready, alive]);
    let misled = service(&spec("/ready", "/api"));
    let misled = plan(&misled, &resolved(&misled), &Options::default());
    is(&misled, Type::Accepted, "False", "NotSupported");
    let message = condition(&misled, Type::Accepted).message;
    let words = "spec.components[1].readinessProbe.httpGet.path: /ready does not reach the component: component web answers it";
    assert!(message.starts_with(words), "{message}");
}
