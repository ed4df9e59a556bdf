//! Services, what is observed of them, and questions about a plan: what its tests share.

use super::*;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(crate) const DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

pub(crate) fn service(spec: &str) -> WasmService {
    let text = format!(
        "apiVersion: shoal.dev/v1alpha1\nkind: WasmService\nmetadata: {{name: greeter, namespace: shop, uid: 12-34, generation: 3}}\nspec:\n  {}",
        spec.trim().replace('\n', "\n  ")
    );
    let documents =
        shoal_api::manifest::parse(&text, "test").unwrap_or_else(|problems| panic!("{}", problems[0]));
    let [shoal_api::manifest::Document::Service(service)] = &documents[..] else {
        panic!("one service");
    };
    let mut service = (**service).clone();
    service.metadata.uid = Some("12-34".to_owned());
    service.metadata.generation = Some(3);
    service
}

pub(crate) fn observed() -> Observed {
    Observed {
        now: at("2026-01-01T00:00:00Z"),
        images: BTreeMap::new(),
        referred: BTreeMap::new(),
        destinations: BTreeMap::new(),
        workload: Workload::default(),
        pods: Vec::new(),
        create_failures: Vec::new(),
        taken: None,
        refused: None,
    }
}

pub(crate) fn at(text: &str) -> Time {
    serde_json::from_value(json!(text)).unwrap()
}

pub(crate) fn resolved(service: &WasmService) -> Observed {
    let images = wanted_images(service).into_iter();
    Observed {
        images: images
            .map(|image| (image, Resolution::Digest(DIGEST.to_owned())))
            .collect(),
        ..observed()
    }
}

pub(crate) const GREETER: &str = "
components: [{name: web, image: 'registry.example:5000/greeter:1'}]
triggers: [{name: web, component: web, http: {}}]
";

/// Stores in a file and in Redis, a channel, and directories.
pub(crate) const KEEPER: &str = "
components:
- name: web
  image: registry.example/keeper:1
  capabilities:
    keyValue: [{name: default, store: visits}, {name: sessions, store: sessions}]
    messaging: [{channel: news, redis: {url: 'redis://10.0.0.7:7000'}}]
    filesystem: [{volume: uploads, mountPath: /uploads, readOnly: false}, {volume: words, mountPath: /words}]
stores:
- {name: visits, persistent: {volume: data}}
- name: sessions
  redis:
    urlFrom: {secretKeyRef: {name: redis, key: url}}
    authoritiesFrom: {configMapKeyRef: {name: authorities, key: ca.crt}}
- {name: others, redis: {urlFrom: {secretKeyRef: {name: others, key: url}}}}
volumes:
- {name: data, persistentVolumeClaim: {claimName: visits}}
- {name: uploads, emptyDir: {}}
- {name: words, configMap: {name: words}}
- {name: unused, emptyDir: {}}
triggers: [{name: web, component: web, http: {}}]
";

pub(crate) const SHOP: &str = "
components:
- name: web
  image: registry.example/shop:1
  args: [--verbose]
  env: [{name: GREETING, valueFrom: {configMapKeyRef: {name: words, key: greeting}}}]
  capabilities:
    network: {outbound: [{host: api.example.com, ports: [443]}, {host: 10.0.0.0/8, ports: [5432, 6432]}]}
    secrets: [{name: token, secretKeyRef: {name: keys, key: token}}]
- name: api
  image: registry.example/api:2
  limits: {memory: 8Mi, requestTimeout: 40s}
  capabilities: {keyValue: [{name: default, store: carts}]}
stores: [{name: carts, memory: {}}]
triggers:
- {name: web, component: web, http: {}}
- {name: api, component: api, http: {path: /api}}
placement: {trustDomain: shop}
scaling: {minReplicas: 2, maxReplicas: 5, targetCPU: 250m}
imagePullSecrets: [{name: registry}]
serviceAccountName: shop
";

pub(crate) fn condition(plan: &Plan, type_: Type) -> Condition {
    let mut conditions = plan.status.conditions.iter();
    conditions.find(|it| it.type_ == type_.name()).unwrap().clone()
}

pub(crate) fn says(plan: &Plan, type_: Type) -> (String, String) {
    let Condition { status, reason, .. } = condition(plan, type_);
    (status, reason)
}

pub(crate) fn objects(plan: &Plan) -> BTreeMap<Kind, Value> {
    let objects = plan.objects.as_ref().unwrap().iter();
    objects.map(|it| (it.kind, it.body.clone())).collect()
}

pub(crate) fn is(plan: &Plan, type_: Type, status: &str, reason: &str) {
    assert_eq!(
        says(plan, type_),
        (status.to_owned(), reason.to_owned()),
        "{:#?}",
        condition(plan, type_)
    );
}

/// The Deployment of a plan as a cluster would have it, all pods ready.
pub(crate) fn rolled_out(plan: &Plan) -> Deployment {
    let mut body = objects(plan)[&Kind::Deployment].clone();
    let replicas = body["spec"]["replicas"].as_i64().unwrap_or(1);
    body["metadata"]["generation"] = json!(1);
    body["status"] = json!({
        "observedGeneration": 1, "replicas": replicas, "updatedReplicas": replicas,
        "readyReplicas": replicas, "availableReplicas": replicas,
    });
    serde_json::from_value(body).unwrap()
}

pub(crate) fn pod(plan: &Plan, status: Value) -> Pod {
    let template = &objects(plan)[&Kind::Deployment]["spec"]["template"];
    serde_json::from_value(json!({
        "metadata": {"name": "greeter-1", "labels": template["metadata"]["labels"]},
        "status": status,
    }))
    .unwrap()
}

pub(crate) fn bodies(plan: &Plan) -> Vec<&Value> {
    plan.objects.as_ref().unwrap().iter().map(|it| &it.body).collect()
}
