//! What comes out for whole services: a snapshot for each, and what a change of what was observed changes.

use super::*;
use crate::fixtures::*;
use serde_json::{Value, json};

#[test]
fn a_small_service() {
    let service = service(GREETER);
    let plan = plan(&service, &resolved(&service), &Options::default());
    insta::assert_yaml_snapshot!(bodies(&plan));
    insta::assert_yaml_snapshot!(plan.status);
}

#[test]
fn a_service_that_uses_everything() {
    let service = service(SHOP);
    let plan = plan(&service, &resolved(&service), &Options::default());
    insta::assert_yaml_snapshot!(bodies(&plan));
}

#[test]
fn a_service_with_stores_outside_of_its_process() {
    let service = service(KEEPER);
    let plan = plan(&service, &resolved(&service), &Options::default());
    insta::assert_yaml_snapshot!(bodies(&plan));
    let found: Vec<_> = references(&service).into_iter().map(|it| it.name).collect();
    assert_eq!(found, ["authorities", "redis"]);
}

#[test]
fn a_service_that_nobody_calls_is_a_job() {
    let service = service("components: [{name: main, image: 'registry.example/report:1', args: [daily]}]");
    let first = plan(&service, &resolved(&service), &Options::default());
    insta::assert_yaml_snapshot!(bodies(&first));
    let mut job = objects(&first)[&Kind::Job].clone();
    job["status"] = json!({"conditions": [{"type": "Complete", "status": "True"}]});
    let mut observed = resolved(&service);
    observed.workload.jobs = vec![serde_json::from_value(job.clone()).unwrap()];
    is(
        &plan(&service, &observed, &Options::default()),
        Type::Ready,
        "True",
        "Completed",
    );
    job["status"] =
        json!({"conditions": [{"type": "Failed", "status": "True", "message": "BackoffLimitExceeded"}]});
    observed.workload.jobs = vec![serde_json::from_value(job).unwrap()];
    let failed = plan(&service, &observed, &Options::default());
    is(&failed, Type::Ready, "False", "JobFailed");
}

#[test]
fn ready_is_said_once_all_pods_are_of_the_current_revision() {
    let service = service(GREETER);
    let mut observed = resolved(&service);
    let first = plan(&service, &observed, &Options::default());
    is(&first, Type::Ready, "False", "Progressing");
    is(&first, Type::Available, "False", "NoPodReady");
    assert_eq!(first.status.revision, None);
    observed.workload.deployment = Some(rolled_out(&first));
    let second = plan(&service, &observed, &Options::default());
    is(&second, Type::Ready, "True", "RolledOut");
    is(&second, Type::CapabilitiesGranted, "True", "Granted");
    assert!(second.status.revision.is_some());
    assert_eq!(
        second.objects, first.objects,
        "what is there does not change what should be"
    );
    // A pod of the last revision is still there.
    let status = observed
        .workload
        .deployment
        .as_mut()
        .unwrap()
        .status
        .as_mut()
        .unwrap();
    status.replicas = Some(2);
    is(
        &plan(&service, &observed, &Options::default()),
        Type::Ready,
        "False",
        "Progressing",
    );
}

#[test]
fn an_image_that_is_not_found_leaves_all_as_it_is() {
    let mut service = service(GREETER);
    let first = plan(&service, &resolved(&service), &Options::default());
    service.status = Some(first.status);
    service.spec.components[0].image = Some("registry.example/greeter:2".to_owned());
    service.metadata.generation = Some(4);
    let mut observed = observed();
    let reason = "registry.example has no greeter:2 (404)";
    observed.images = [(
        "registry.example/greeter:2".to_owned(),
        Resolution::Failed(reason.to_owned()),
    )]
    .into();
    let plan = plan(&service, &observed, &Options::default());
    assert_eq!(plan.objects, None);
    is(&plan, Type::ArtifactsResolved, "False", "ResolveFailed");
    is(&plan, Type::Ready, "False", "ResolveFailed");
    assert!(condition(&plan, Type::Ready).message.contains(reason));
    assert_eq!(plan.status.observed_generation, Some(4));
}

#[test]
fn a_tag_is_looked_up_once_for_each_generation_that_asks_for_it() {
    let mut service = service(GREETER);
    assert_eq!(wanted_images(&service), ["registry.example:5000/greeter:1"]);
    service.status = Some(plan(&service, &resolved(&service), &Options::default()).status);
    assert!(wanted_images(&service).is_empty());
    service.metadata.generation = Some(4);
    assert!(
        wanted_images(&service).is_empty(),
        "a tag that is no `latest` stays"
    );
    service.spec.components[0].image_pull_policy = Some(shoal_api::ImagePullPolicy::Always);
    assert_eq!(wanted_images(&service).len(), 1);
    service.spec.components[0].image = Some(format!("registry.example/greeter@{DIGEST}"));
    assert!(wanted_images(&service).is_empty());
}

#[test]
fn a_component_that_traps_is_said_with_its_trap() {
    let service = service(GREETER);
    let mut observed = resolved(&service);
    let first = plan(&service, &observed, &Options::default());
    observed.pods = vec![pod(
        &first,
        json!({"containerStatuses": [{
            "name": "web", "image": "", "imageID": "", "ready": false, "restartCount": 2,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s"}},
            "lastState": {"terminated": {"reason": "Error", "exitCode": 134, "message": "wasm trap: unreachable"}},
        }]}),
    )];
    let mut deployment = rolled_out(&first);
    deployment.status.as_mut().unwrap().updated_replicas = Some(0);
    observed.workload.deployment = Some(deployment);
    let plan = plan(&service, &observed, &Options::default());
    is(&plan, Type::Ready, "False", "PodsFailing");
    is(&plan, Type::Available, "True", "PodsReady");
    let message = condition(&plan, Type::Ready).message;
    assert!(
        message.contains("exit code 134: wasm trap: unreachable"),
        "{message}"
    );
}

#[test]
fn what_a_cluster_does_not_run_is_refused_by_field() {
    for (spec, words) in [
        (
            "components: [{name: web, file: web.wasm}]",
            "spec.components[0].file",
        ),
        (
            "components: [{name: web, image: r.example/web:1}]\nplacement: {mode: Packed}",
            "spec.placement.mode",
        ),
        (
            "components: [{name: web, image: r.example/web:1, env: [{name: A, valueFrom: {fileKeyRef: {volumeName: v, path: p, key: k}}}]}]",
            "spec.components[0].env[0].valueFrom.fileKeyRef",
        ),
        (
            "components: [{name: web, image: r.example/web:1, reuse: {}}]",
            "spec.components[0].reuse",
        ),
        (
            "components: [{name: web, image: r.example/web:1, links: [{import: 'a:b/c', service: other}]}]",
            "spec.components[0].links[0].service",
        ),
        (
            "components: [{name: web, image: r.example/web:1}]\nstores: [{name: m, memory: {}}, {name: s, persistent: {volume: v}}]\nvolumes: [{name: v, emptyDir: {}}]\nscaling: {maxReplicas: 2}",
            "spec.stores[1].persistent",
        ),
    ] {
        let service = service(spec);
        let plan = plan(&service, &resolved(&service), &Options::default());
        assert_eq!(plan.objects, None);
        is(&plan, Type::Accepted, "False", "NotSupported");
        is(&plan, Type::Ready, "False", "NotSupported");
        let message = condition(&plan, Type::Accepted).message;
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn a_name_that_is_taken_is_said() {
    let service = service(GREETER);
    let mut observed = resolved(&service);
    observed.taken = Some("Deployment greeter belongs to somebody else".to_owned());
    let plan = plan(&service, &observed, &Options::default());
    assert_eq!(plan.objects, None);
    is(&plan, Type::Accepted, "False", "NameTaken");
}

#[test]
fn what_the_api_server_does_not_take_is_said() {
    let service = service(GREETER);
    let mut observed = resolved(&service);
    observed.refused = Some("Service greeter: spec.ports: Invalid value".to_owned());
    let plan = plan(&service, &observed, &Options::default());
    assert_eq!(plan.objects, None);
    is(&plan, Type::Accepted, "False", "Refused");
    is(&plan, Type::Ready, "False", "Refused");
    assert!(condition(&plan, Type::Ready).message.contains("spec.ports"));
}

#[test]
fn a_quota_that_refuses_pods_is_said_in_its_words() {
    let service = service(GREETER);
    let mut observed = resolved(&service);
    let first = plan(&service, &observed, &Options::default());
    let mut deployment = rolled_out(&first);
    let words = "pods \"greeter-1-\" is forbidden: exceeded quota: small, requested: limits.cpu=100m, used: limits.cpu=1, limited: limits.cpu=1";
    let failure =
        json!({"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": words});
    let status = deployment.status.as_mut().unwrap();
    status.conditions = Some(vec![serde_json::from_value(failure).unwrap()]);
    observed.workload.deployment = Some(deployment.clone());
    let all_there = plan(&service, &observed, &Options::default());
    is(&all_there, Type::Ready, "True", "RolledOut");
    deployment.status.as_mut().unwrap().available_replicas = Some(0);
    observed.workload.deployment = Some(deployment);
    let refused = plan(&service, &observed, &Options::default());
    is(&refused, Type::Ready, "False", "PodsRefused");
    is(&refused, Type::CapabilitiesGranted, "Unknown", "Pending");
    let message = condition(&refused, Type::Ready).message;
    assert!(
        message.starts_with(&format!("a pod was refused: {words}; ")),
        "{message}"
    );
    // A pod that was made and fails counts for more.
    observed.pods = vec![pod(
        &first,
        json!({"containerStatuses": [{
            "name": "web", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": "ErrImagePull", "message": "no route"}},
        }]}),
    )];
    let failing = plan(&service, &observed, &Options::default());
    is(&failing, Type::Ready, "False", "PodsFailing");
    let message = condition(&failing, Type::Ready).message;
    assert!(
        message.contains("no route") && message.contains("exceeded quota"),
        "{message}"
    );
}

#[test]
fn a_store_in_memory_behind_several_replicas_is_said() {
    let mut several = service(SHOP);
    let first = plan(&several, &resolved(&several), &Options::default());
    is(&first, Type::StoresConsistent, "False", "MemoryPerReplica");
    let message = condition(&first, Type::StoresConsistent).message;
    let words =
        "spec.stores[0].memory: store carts is in memory, and each of 5 replicas has contents of its own";
    assert!(message.starts_with(words), "{message}");
    several.spec.scaling = shoal_api::Scaling::default();
    let mut observed = resolved(&several);
    let one = plan(&several, &observed, &Options::default());
    is(&one, Type::StoresConsistent, "True", "OneReplica");
    // Somebody else has made two of it.
    let mut deployment = rolled_out(&one);
    deployment.spec.as_mut().unwrap().replicas = Some(2);
    observed.workload.deployment = Some(deployment);
    let two = plan(&several, &observed, &Options::default());
    is(&two, Type::StoresConsistent, "False", "MemoryPerReplica");
    let none = plan(&service(GREETER), &observed, &Options::default());
    let mut conditions = none.status.conditions.iter();
    assert!(conditions.all(|it| it.type_ != Type::StoresConsistent.name()));
}

#[test]
fn a_job_without_a_pod_says_who_refused_it() {
    let service = service("components: [{name: main, image: 'registry.example/report:1'}]");
    let mut observed = resolved(&service);
    let first = plan(&service, &observed, &Options::default());
    let job = objects(&first)[&Kind::Job].clone();
    let failure = |owner: &Value, at_: &str, message: &str| CreateFailure {
        owner: owner.as_str().unwrap_or("other").to_owned(),
        message: message.to_owned(),
        at: Some(at(at_)),
    };
    let name = &job["metadata"]["name"];
    observed.create_failures = vec![
        failure(name, "2026-01-01T00:02:00Z", "forbidden: the second"),
        failure(name, "2026-01-01T00:01:00Z", "forbidden: the first"),
        failure(&Value::Null, "2026-01-01T00:03:00Z", "forbidden: another's"),
    ];
    observed.workload.jobs = vec![serde_json::from_value(job.clone()).unwrap()];
    let refused = plan(&service, &observed, &Options::default());
    is(&refused, Type::Ready, "False", "PodsRefused");
    let message = condition(&refused, Type::Ready).message;
    assert!(
        message.starts_with("a pod was refused: forbidden: the second; "),
        "{message}"
    );
    // A pod that was made since.
    observed.pods = vec![
        serde_json::from_value(json!({"metadata": {
            "name": "a", "creationTimestamp": "2026-01-01T00:02:00Z", "labels": job["spec"]["template"]["metadata"]["labels"],
        }}))
        .unwrap(),
    ];
    let made = plan(&service, &observed, &Options::default());
    is(&made, Type::Ready, "False", "Progressing");
}

#[test]
fn a_changed_secret_is_a_new_revision_and_a_changed_scale_is_none() {
    let mut service = service(SHOP);
    let mut observed = resolved(&service);
    let revision = |service: &WasmService, observed: &Observed| {
        let plan = plan(service, observed, &Options::default());
        let labels = &objects(&plan)[&Kind::Deployment]["spec"]["template"]["metadata"]["labels"];
        labels["shoal.dev/revision"].as_str().unwrap().to_owned()
    };
    let found: Vec<_> = references(&service)
        .into_iter()
        .map(|it| (it.kind, it.name))
        .collect();
    assert_eq!(
        found,
        [
            (ReferenceKind::ConfigMap, "words".to_owned()),
            (ReferenceKind::Secret, "keys".to_owned())
        ]
    );
    let first = revision(&service, &observed);
    assert_eq!(revision(&service, &observed), first);
    service.spec.scaling.min_replicas = 3;
    assert_eq!(revision(&service, &observed), first);
    let keys = Reference {
        kind: ReferenceKind::Secret,
        name: "keys".to_owned(),
    };
    observed.referred = [(keys, Referred::Hash("1".to_owned()))].into();
    assert_ne!(revision(&service, &observed), first);
}

#[test]
fn a_condition_that_does_not_change_keeps_its_time() {
    let mut service = service(GREETER);
    let mut observed = resolved(&service);
    let first = plan(&service, &observed, &Options::default());
    service.status = Some(first.status.clone());
    observed.now = at("2026-01-02T00:00:00Z");
    let second = plan(&service, &observed, &Options::default());
    assert_eq!(second.status, first.status);
    observed.workload.deployment = Some(rolled_out(&first));
    let third = plan(&service, &observed, &Options::default());
    assert_eq!(condition(&third, Type::Ready).last_transition_time, observed.now);
    assert_eq!(
        condition(&third, Type::Accepted).last_transition_time,
        at("2026-01-01T00:00:00Z")
    );
}
