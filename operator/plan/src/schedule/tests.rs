//! What schedules become, and what is said of their runs: snapshots, and each rule of `runs` by itself.

use super::*;
use crate::fixtures::*;
use crate::{Kind, Plan, Type, plan};
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

const REPORT: &str = "
components:
- name: till
  image: registry.example/till:1
  capabilities: {keyValue: [{name: default, store: sales}]}
- name: report
  image: registry.example/report:1
  args: [--all]
  env: [{name: GREETING, valueFrom: {configMapKeyRef: {name: words, key: greeting}}}]
  limits: {memory: 16Mi, requestTimeout: 90s}
  capabilities:
    keyValue: [{name: default, store: sales}]
    network: {outbound: [{host: mail.example.com, ports: [587]}]}
triggers:
- {name: web, component: till, http: {}}
- name: nightly
  component: report
  schedule: {cron: '30 2 * * *', timeZone: Europe/Berlin, concurrencyPolicy: Forbid, startingDeadlineSeconds: 600}
- {name: hourly, component: till, schedule: {cron: '@hourly'}}
stores: [{name: sales, memory: {}}]
";

const ALONE: &str = "
components: [{name: report, image: 'registry.example/report:1'}]
triggers: [{name: nightly, component: report, schedule: {cron: '30 2 * * *'}}]
";

fn kinds(plan: &Plan) -> Vec<Kind> {
    plan.objects.as_ref().unwrap().iter().map(|it| it.kind).collect()
}

fn message(plan: &Plan, type_: Type) -> String {
    condition(plan, type_).message
}

/// What is seen of a service that has schedules alone, with its CronJob made.
fn made(service: &WasmService) -> Observed {
    let mut observed = resolved(service);
    let first = plan(service, &observed, &Options::default());
    let cron_job = objects(&first)[&Kind::CronJob].clone();
    observed.workload.cron_jobs = vec![serde_json::from_value(cron_job).unwrap()];
    observed
}

/// A run of its schedule that began at that minute.
fn run(service: &WasmService, minute: u32, status: &Value) -> Pod {
    let first = plan(service, &resolved(service), &Options::default());
    let template = &objects(&first)[&Kind::CronJob]["spec"]["jobTemplate"]["spec"]["template"];
    serde_json::from_value(json!({
        "metadata": {
            "name": format!("run-{minute}"),
            "creationTimestamp": format!("2026-01-01T02:{minute:02}:00Z"),
            "labels": template["metadata"]["labels"],
        },
        "status": status,
    }))
    .unwrap()
}

fn ended(code: i32, message: &str) -> Value {
    let phase = if code == 0 { "Succeeded" } else { "Failed" };
    json!({"phase": phase, "containerStatuses": [{
        "name": "report", "image": "", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"terminated": {"reason": "Error", "exitCode": code, "message": message}},
    }]})
}

fn waiting(reason: &str, message: &str) -> Value {
    json!({"phase": "Pending", "containerStatuses": [{
        "name": "report", "image": "", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"waiting": {"reason": reason, "message": message}},
    }]})
}

#[test]
fn a_service_that_is_called_and_has_schedules() {
    let service = service(REPORT);
    let plan = plan(&service, &resolved(&service), &Options::default());
    insta::assert_yaml_snapshot!(bodies(&plan));
}

#[test]
fn a_service_with_a_schedule_alone() {
    let service = service(ALONE);
    let mut observed = resolved(&service);
    let first = plan(&service, &observed, &Options::default());
    insta::assert_yaml_snapshot!(bodies(&first));
    is(&first, Type::Ready, "False", "Progressing");
    is(&first, Type::Available, "False", "Pending");
    observed = made(&service);
    let second = plan(&service, &observed, &Options::default());
    is(&second, Type::Ready, "True", "Scheduled");
    is(&second, Type::Available, "True", "NotServing");
    is(&second, Type::CapabilitiesGranted, "Unknown", "Pending");
    assert!(second.status.revision.is_some());
    assert_eq!(second.status.url, None);
    observed.pods = vec![run(&service, 1, &ended(0, ""))];
    let third = plan(&service, &observed, &Options::default());
    is(&third, Type::CapabilitiesGranted, "True", "Granted");
    assert_eq!(message(&third, Type::Ready), "");
}

#[test]
fn messages_alone_need_a_deployment_and_no_service() {
    let mut service = service(GREETER);
    service.spec.triggers[0].http = None;
    service.spec.triggers[0].redis = Some(shoal_api::RedisTrigger::default());
    let digests = [("web".to_owned(), DIGEST.to_owned())].into();
    let objects = crate::workload::objects(&service, &digests, &observed(), &Options::default());
    let kinds: Vec<_> = objects.iter().map(|it| it.kind).collect();
    assert_eq!(kinds, [Kind::NetworkPolicy, Kind::Deployment]);
    let container = &objects[1].body["spec"]["template"]["spec"]["containers"][0];
    assert!(container["ports"].is_null() && container["readinessProbe"].is_null());
}

#[test]
fn no_selector_of_what_serves_finds_the_pods_of_a_schedule() {
    let service = service(&format!("{REPORT}scaling: {{minReplicas: 2}}"));
    let plan = plan(&service, &resolved(&service), &Options::default());
    let body = |kind: Kind| objects(&plan)[&kind].clone();
    let cron_job = body(Kind::CronJob);
    let pods = &cron_job["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"];
    let served = body(Kind::Deployment)["spec"]["template"].clone();
    let finds = |selector: &Value, labels: &Value| {
        let wanted = selector.as_object().unwrap();
        !wanted.is_empty() && wanted.iter().all(|(key, value)| labels[key] == *value)
    };
    for selector in [
        &body(Kind::Service)["spec"]["selector"],
        &body(Kind::Deployment)["spec"]["selector"]["matchLabels"],
        &body(Kind::PodDisruptionBudget)["spec"]["selector"]["matchLabels"],
        &served["spec"]["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
    ] {
        assert!(finds(selector, &served["metadata"]["labels"]), "{selector}");
        assert!(!finds(selector, pods), "{selector}");
    }
    let network = &body(Kind::NetworkPolicy)["spec"]["podSelector"]["matchLabels"];
    assert!(finds(network, &served["metadata"]["labels"]) && finds(network, pods));
}

#[test]
fn another_time_is_no_new_revision_of_what_serves() {
    let mut service = service(REPORT);
    let revisions = |service: &WasmService| {
        let plan = plan(service, &resolved(service), &Options::default());
        let deployment = &objects(&plan)[&Kind::Deployment]["spec"]["template"];
        (deployment["metadata"]["labels"].clone(), bodies(&plan)[3].clone())
    };
    let before = revisions(&service);
    service.spec.triggers[1].schedule.as_mut().unwrap().cron = "0 3 * * *".to_owned();
    let after = revisions(&service);
    assert_eq!(before.0, after.0);
    assert_ne!(before.1, after.1);
    assert_eq!(after.1["spec"]["schedule"], "0 3 * * *");
}

#[test]
fn a_run_that_cannot_start_is_said_and_one_that_fails_is_said_beside() {
    let service = service(ALONE);
    let mut observed = made(&service);
    let denied = json!({"phase": "Failed", "containerStatuses": [{
        "name": "report", "image": "", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"terminated": {
            "reason": "StartError",
            "exitCode": 128,
            "message": "failed to create shim task: shoal.dev/NotGranted: wasi:http/outgoing-handler@0.2.0 is not granted",
        }},
    }]});
    // The one that is on its way says nothing of what became of the last.
    let on_its_way = run(&service, 9, &json!({"phase": "Pending"}));
    observed.pods = vec![run(&service, 1, &denied), on_its_way];
    let first = plan(&service, &observed, &Options::default());
    is(&first, Type::Ready, "False", "NotGranted");
    is(&first, Type::CapabilitiesGranted, "False", "NotGranted");
    observed
        .pods
        .push(run(&service, 2, &waiting("ImagePullBackOff", "not found")));
    let second = plan(&service, &observed, &Options::default());
    is(&second, Type::Ready, "False", "PodsFailing");
    assert!(message(&second, Type::Ready).contains("ImagePullBackOff: not found"));
    observed
        .pods
        .push(run(&service, 3, &ended(134, "wasm trap: unreachable")));
    let third = plan(&service, &observed, &Options::default());
    is(&third, Type::Ready, "True", "Scheduled");
    let said = message(&third, Type::Ready);
    assert!(
        said.starts_with("trigger nightly: its last run failed: ")
            && said.contains("exit code 134: wasm trap: unreachable; none went well yet"),
        "{said}"
    );
    observed.workload.cron_jobs[0].status =
        Some(serde_json::from_value(json!({"lastSuccessfulTime": "2025-12-31T02:30:05Z"})).unwrap());
    let said = message(&plan(&service, &observed, &Options::default()), Type::Ready);
    assert!(said.contains("ended at 2025-12-31T02:30:05Z"), "{said}");
    observed.pods.push(run(&service, 4, &ended(0, "")));
    let fourth = plan(&service, &observed, &Options::default());
    assert_eq!(message(&fourth, Type::Ready), "");
}

#[test]
fn a_run_whose_pod_is_refused_is_said_until_one_is_made() {
    let service = service(ALONE);
    let mut observed = made(&service);
    observed.pods = vec![run(&service, 1, &ended(0, ""))];
    let refused = |minute: u32| crate::CreateFailure {
        owner: "greeter-nightly".to_owned(),
        message: "pods \"greeter-nightly-1-\" is forbidden: exceeded quota: small".to_owned(),
        at: Some(at(&format!("2026-01-01T02:{minute:02}:00Z"))),
    };
    observed.create_failures = vec![refused(1)];
    let first = plan(&service, &observed, &Options::default());
    is(&first, Type::Ready, "True", "Scheduled");
    observed.create_failures = vec![refused(2)];
    let second = plan(&service, &observed, &Options::default());
    is(&second, Type::Ready, "False", "PodsRefused");
    let said = message(&second, Type::Ready);
    assert!(
        said.contains("a pod was refused: pods") && said.contains("exceeded quota: small"),
        "{said}"
    );
    observed.pods.push(run(&service, 3, &ended(0, "")));
    let third = plan(&service, &observed, &Options::default());
    is(&third, Type::Ready, "True", "Scheduled");
}

#[test]
fn a_file_that_two_could_write_is_refused() {
    let file = |triggers: &str| {
        format!(
            "
components:
- {{name: web, image: r.example/web:1, capabilities: {{keyValue: [{{name: default, store: s}}]}}}}
- {{name: report, image: r.example/report:1, capabilities: {{keyValue: [{{name: default, store: s}}]}}}}
stores: [{{name: s, persistent: {{volume: data}}}}]
volumes: [{{name: data, emptyDir: {{}}}}]
triggers: [{triggers}]
"
        )
    };
    let forbid = "{name: a, component: report, schedule: {cron: '@daily', concurrencyPolicy: Forbid}}";
    for (triggers, words) in [
        (
            format!("{{name: w, component: web, http: {{}}}}, {forbid}"),
            "the pods that serve have it too",
        ),
        (
            "{name: a, component: report, schedule: {cron: '@daily'}}".to_owned(),
            "concurrencyPolicy: Allow lets two runs overlap",
        ),
        (
            format!("{forbid}, {}", forbid.replace("name: a", "name: b")),
            "the runs of trigger b have it too",
        ),
        (forbid.to_owned(), ""),
    ] {
        let service = service(&file(&triggers));
        let plan = plan(&service, &resolved(&service), &Options::default());
        let said = message(&plan, Type::Accepted);
        let field = "spec.components[1].capabilities.keyValue[0].store: s is a file";
        assert_eq!(said.contains(field), !words.is_empty(), "{said}");
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn a_name_is_cut_where_it_has_to_be() {
    assert_eq!(name("report", "nightly"), "report-nightly");
    let longest = "t".repeat(52 - "report-".len());
    assert_eq!(name("report", &longest), format!("report-{longest}"));
    let cut = name("report", &"t".repeat(63));
    assert_eq!(cut.len(), 52);
    assert_eq!(cut, format!("report-{}-{}", "t".repeat(36), &cut[44..]));
    assert_ne!(cut, name("report", &format!("{}x", "t".repeat(62))));
    // The same text, another service.
    let rest = "b".repeat(60);
    assert_ne!(name("a-a", &rest), name("a", &format!("a-{rest}")));
    // A name may not have a hyphen behind a dot.
    let dotted = name(&format!("{}.{}", "s".repeat(42), "s".repeat(9)), "t");
    assert!(dotted.len() <= 52 && dotted.starts_with(&format!("{}-", "s".repeat(42))));
}

#[test]
fn all_that_is_wanted_is_there() {
    let service = service(ALONE);
    let plan = plan(&service, &resolved(&service), &Options::default());
    assert_eq!(kinds(&plan), [Kind::NetworkPolicy, Kind::CronJob]);
}
