//! Who decides, for each way in which somebody can take it on.

use super::*;
use crate::fixtures::*;
use crate::{Kind, Options, Plan, Type, plan};
use serde_json::{Value, json};

/// What is seen of a service, with that many replicas, written by that manager through `/scale`.
fn scaled(service: &WasmService, replicas: i32, manager: &str) -> Observed {
    let mut observed = resolved(service);
    let mut deployment = rolled_out(&plan(service, &observed, &Options::default()));
    deployment.spec.as_mut().unwrap().replicas = Some(replicas);
    let status = deployment.status.as_mut().unwrap();
    for count in [
        &mut status.replicas,
        &mut status.updated_replicas,
        &mut status.available_replicas,
    ] {
        *count = Some(replicas);
    }
    // As API servers write it, without a time.
    let entries = json!([
        {"manager": "shoal-operator", "operation": "Apply", "fieldsV1": {"f:spec": {"f:selector": {}}}},
        {"manager": manager, "subresource": "scale", "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
    ]);
    deployment.metadata.managed_fields = Some(serde_json::from_value(entries).unwrap());
    observed.workload.deployment = Some(deployment);
    observed
}

fn autoscaler(name: &str, kind: &str, target: &str) -> HorizontalPodAutoscaler {
    serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {"maxReplicas": 9, "scaleTargetRef": {"kind": kind, "name": target}},
    }))
    .unwrap()
}

/// What is said of `replicas`, whether there is an autoscaler of ours, and who decides.
fn outcome(plan: &Plan) -> (Value, bool, String) {
    let objects = objects(plan);
    let replicas = objects[&Kind::Deployment]["spec"]["replicas"].clone();
    let ours = objects.contains_key(&Kind::HorizontalPodAutoscaler);
    (replicas, ours, plan.status.scaled_by.clone().unwrap())
}

fn decided(service: &WasmService, observed: &Observed) -> (Value, bool, String) {
    outcome(&plan(service, observed, &Options::default()))
}

#[test]
fn the_manifest_decides_until_somebody_else_does() {
    let small = service(GREETER);
    let by = |text: &str| text.to_owned();
    assert_eq!(
        decided(&small, &resolved(&small)),
        (json!(1), false, by("spec.scaling"))
    );
    let ours = scaled(&small, 1, "shoal-operator");
    assert_eq!(decided(&small, &ours), (json!(1), false, by("spec.scaling")));
    let kubectl = scaled(&small, 3, "kubectl");
    let expected = by("kubectl, by the Deployment's spec.replicas");
    assert_eq!(decided(&small, &kubectl), (Value::Null, false, expected));
    // An autoscaler that is gone has left its number behind.
    let gone = scaled(&small, 3, "kube-controller-manager");
    assert_eq!(decided(&small, &gone), (json!(1), false, by("spec.scaling")));
}

#[test]
fn there_is_no_autoscaler_of_ours_beside_a_foreign_one() {
    let shop = service(SHOP);
    let by = |name: &str| format!("HorizontalPodAutoscaler {name}");
    let mut observed = scaled(&shop, 4, "kube-controller-manager");
    assert_eq!(decided(&shop, &observed), (Value::Null, true, by("greeter")));
    observed.workload.autoscalers = vec![
        autoscaler("other", "Deployment", "other"),
        autoscaler("statefulset", "StatefulSet", "greeter"),
    ];
    assert_eq!(decided(&shop, &observed), (Value::Null, true, by("greeter")));
    let mut ours = autoscaler("greeter", "Deployment", "greeter");
    let owner =
        json!({"apiVersion": "shoal.dev/v1alpha1", "kind": "WasmService", "name": "greeter", "uid": "12-34"});
    ours.metadata.owner_references = Some(vec![serde_json::from_value(owner).unwrap()]);
    observed.workload.autoscalers = vec![ours];
    assert_eq!(decided(&shop, &observed), (Value::Null, true, by("greeter")));
    observed
        .workload
        .autoscalers
        .push(autoscaler("keda-hpa-greeter", "Deployment", "greeter"));
    assert_eq!(
        decided(&shop, &observed),
        (Value::Null, false, by("keda-hpa-greeter"))
    );
    // It has not written yet: what is there stays, above maxReplicas too.
    let mut before = scaled(&shop, 7, "shoal-operator");
    before.workload.autoscalers = observed.workload.autoscalers.clone();
    assert_eq!(decided(&shop, &before), (json!(7), false, by("keda-hpa-greeter")));
    // One of the service itself writes the manifest's number.
    before.workload.autoscalers = vec![autoscaler("mine", "WasmService", "greeter")];
    let expected = by("mine, by spec.scaling.minReplicas");
    assert_eq!(decided(&shop, &before), (json!(2), false, expected));
}

#[test]
fn zero_is_a_number_too() {
    let small = service(GREETER);
    let off = scaled(&small, 0, "keda-operator");
    let said = plan(&small, &off, &Options::default());
    let expected = "keda-operator, by the Deployment's spec.replicas".to_owned();
    assert_eq!(outcome(&said), (Value::Null, false, expected));
    is(&said, Type::Available, "False", "ScaledToZero");
    is(&said, Type::Ready, "True", "RolledOut");
    let message = condition(&said, Type::Available).message;
    assert!(message.contains("keda-operator"), "{message}");
    // With maxReplicas, too: Kubernetes' autoscaler leaves what is at 0 alone.
    let shop = service(SHOP);
    let expected = "kubectl, by the Deployment's spec.replicas".to_owned();
    assert_eq!(
        decided(&shop, &scaled(&shop, 0, "kubectl")),
        (Value::Null, true, expected)
    );
    let ours = "HorizontalPodAutoscaler greeter".to_owned();
    assert_eq!(
        decided(&shop, &scaled(&shop, 4, "kubectl")),
        (Value::Null, true, ours)
    );
    // A 0 that came by /scale leaves the field to nobody, and so does what comes by /scale after it.
    let by_scale = "the Deployment's /scale".to_owned();
    for (service, replicas) in [(&small, 0), (&small, 2), (&shop, 0)] {
        let mut nobodys = scaled(service, replicas, "kubectl");
        let deployment = nobodys.workload.deployment.as_mut().unwrap();
        deployment.metadata.managed_fields.as_mut().unwrap().pop();
        let (replicas, _, by) = decided(service, &nobodys);
        assert_eq!((replicas, by), (Value::Null, by_scale.clone()));
    }
    let ours = scaled(&small, 0, "shoal-operator");
    assert_eq!(
        decided(&small, &ours),
        (json!(1), false, "spec.scaling".to_owned())
    );
}

#[test]
fn another_number_in_the_manifest_takes_the_decision_back() {
    let mut small = service(GREETER);
    for replicas in [3, 0] {
        let kubectl = scaled(&small, replicas, "kubectl");
        small.spec.components[0].args = vec!["--verbose".to_owned()];
        assert_eq!(
            decided(&small, &kubectl).0,
            Value::Null,
            "another argument does not"
        );
        small.spec.scaling.min_replicas += 2;
        let (replicas, _, by) = decided(&small, &kubectl);
        assert_eq!(
            (replicas, by.as_str()),
            (json!(small.spec.scaling.min_replicas), "spec.scaling")
        );
    }
    let mut foreign = scaled(&small, 3, "kube-controller-manager");
    small.spec.scaling.min_replicas += 2;
    foreign.workload.autoscalers = vec![autoscaler("theirs", "Deployment", "greeter")];
    assert_eq!(decided(&small, &foreign).0, Value::Null);
}

#[test]
fn a_file_has_one_writer_whoever_scales() {
    let keeper = service(KEEPER);
    assert_eq!(decided(&keeper, &scaled(&keeper, 3, "kubectl")).0, json!(1));
    assert_eq!(decided(&keeper, &scaled(&keeper, 0, "kubectl")).0, Value::Null);
}
