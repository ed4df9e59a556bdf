//! What a person reads of a status, from objects as the API server sends them.

use super::*;

fn now() -> Timestamp {
    "2026-01-01T01:00:00Z".parse().unwrap()
}

fn service(name: &str, status: Value) -> Deployed {
    let created = "2026-01-01T00:59:00Z";
    serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": "shop", "generation": 2, "creationTimestamp": created},
        "spec": {}, "status": status,
    }))
    .unwrap()
}

fn condition(kind: &str, status: &str, reason: &str) -> Value {
    json!({
        "type": kind, "status": status, "reason": reason, "message": "all is said",
        "lastTransitionTime": "2026-01-01T00:59:30Z",
    })
}

fn served() -> Value {
    json!({
        "observedGeneration": 2, "url": "http://a.shop.svc.cluster.local", "placement": "Dedicated", "replicas": 3,
        "revision": "r7", "conditions": [condition("Ready", "True", "Available")],
        "components": [{"name": "web", "image": "registry.example/web:1", "digest": "sha256:00"}],
    })
}

#[test]
fn a_table_tells_those_that_serve_from_those_that_do_not() {
    let services = [
        service("a", served()),
        service(
            "bee",
            json!({"observedGeneration": 1, "conditions": [condition("Ready", "True", "Available")]}),
        ),
        service("c", json!({})),
    ];
    assert_eq!(
        list(&services, false, now()),
        "NAME   READY     REASON      REPLICAS   URL                               AGE\n\
         a      True      Available   3          http://a.shop.svc.cluster.local   60s\n\
         bee    True      Pending     -          -                                 60s\n\
         c      Unknown   Pending     -          -                                 60s\n"
    );
    assert!(list(&services, true, now()).starts_with("NAMESPACE   NAME"));
}

#[test]
fn one_service_is_told_in_full() {
    let service = service("a", served());
    let report = Report {
        name: "a".to_owned(),
        namespace: "shop".to_owned(),
        generation: service.metadata.generation,
        created: service.metadata.creation_timestamp.map(|it| it.0),
        status: service.status.unwrap(),
        pods: Vec::new(),
        events: vec![EventReport {
            object: "wasmservice/a".to_owned(),
            kind: "Normal".to_owned(),
            reason: "RolledOut".to_owned(),
            message: "revision r7".to_owned(),
            last: "2026-01-01T00:59:31Z".parse().ok(),
        }],
    };
    assert_eq!(
        full(&report, now()),
        "a  in the namespace shop\n  \
           url         http://a.shop.svc.cluster.local\n  \
           placement   Dedicated\n  \
           replicas    3\n  \
           revision    r7\n  \
           generation  2\n  \
           age         60s\n\
         \n\
         CONDITION   STATUS   REASON      SINCE   MESSAGE\n\
         Ready       True     Available   30s     all is said\n\
         \n\
         COMPONENT   DIGEST      IMAGE\n\
         web         sha256:00   registry.example/web:1\n\
         \n\
         LAST   TYPE     REASON      OBJECT          MESSAGE\n\
         29s    Normal   RolledOut   wasmservice/a   revision r7\n"
    );
}
