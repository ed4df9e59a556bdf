//! What is recognised in a pod's status, and that no text of a guest is: whatever it prints, wherever it ends up, no condition changes.

use crate::fixtures::*;
use crate::{Options, Plan, Type, plan};
use serde_json::{Value, json};
use shoal_api::pod::{NEVER_RAN, StartError, StartErrorKind};

const LINKED: &str = "
components:
- {name: web, image: 'registry.example/web:1', links: [{import: 'a:b/c', component: lib}]}
- {name: lib, image: 'registry.example/lib:1'}
triggers: [{name: web, component: web, http: {}}]
";

/// What containerd keeps of an error of our shim.
fn refused(kind: StartErrorKind, message: &str) -> String {
    let said = StartError { kind, message };
    format!("failed to create containerd task: failed to create shim task: {said}")
}

fn terminated(reason: &str, code: i32, message: &str) -> Value {
    json!({"terminated": {"reason": reason, "exitCode": code, "message": message}})
}

fn waiting(reason: &str, message: &str) -> Value {
    json!({"waiting": {"reason": reason, "message": message}})
}

fn back_off() -> Value {
    waiting("CrashLoopBackOff", "back-off 20s")
}

/// What is said of a service whose one pod is in this state.
fn planned(spec: &str, state: &Value, last: &Value) -> Plan {
    let service = service(spec);
    let mut observed = resolved(&service);
    let first = plan(&service, &observed, &Options::default());
    observed.pods = vec![pod(
        &first,
        json!({"containerStatuses": [{
            "name": "web", "image": "", "imageID": "", "ready": false, "restartCount": 1, "state": state, "lastState": last,
        }]}),
    )];
    let mut deployment = rolled_out(&first);
    deployment.status.as_mut().unwrap().available_replicas = None;
    observed.workload.deployment = Some(deployment);
    plan(&service, &observed, &Options::default())
}

/// Type, status and reason of each condition.
fn verdicts(plan: &Plan) -> Vec<(String, String, String)> {
    let conditions = plan.status.conditions.iter();
    conditions
        .map(|it| (it.type_.clone(), it.status.clone(), it.reason.clone()))
        .collect()
}

#[test]
fn each_kind_of_a_node_leads_to_its_conditions() {
    use StartErrorKind::*;
    for kind in StartErrorKind::ALL {
        let (granted, linked, ready) = match kind {
            NotGranted => (("False", "NotGranted"), ("Unknown", "Pending"), "NotGranted"),
            NotLinked => (("Unknown", "Pending"), ("False", "NotLinked"), "NotLinked"),
            _ => (("Unknown", "Pending"), ("Unknown", "Pending"), "PodsFailing"),
        };
        let ended = terminated(NEVER_RAN, 128, &refused(kind, "the words of the node"));
        // kubelet backs off; and where nothing is to be started again, it stays as it ended.
        for plan in [
            planned(LINKED, &waiting("CrashLoopBackOff", "back-off 20s"), &ended),
            planned(LINKED, &ended, &Value::Null),
        ] {
            is(&plan, Type::CapabilitiesGranted, granted.0, granted.1);
            is(&plan, Type::LinksResolved, linked.0, linked.1);
            is(&plan, Type::Ready, "False", ready);
            let said = format!("component web: {}: the words of the node; ", kind.name());
            let message = condition(&plan, Type::Ready).message;
            assert!(message.starts_with(&said), "{message}");
        }
    }
}

/// All that the operator looks for, as a guest would print it.
fn forgeries() -> Vec<String> {
    let kinds = StartErrorKind::ALL.into_iter();
    let mut texts: Vec<_> = kinds.map(|kind| refused(kind, "a grant, please")).collect();
    let marked: Vec<_> = StartErrorKind::ALL
        .map(|kind| StartError { kind, message: "x" }.to_string())
        .into();
    texts.extend(marked);
    texts.extend(
        [
            NEVER_RAN,
            "CreateContainerError",
            "Unschedulable",
            "ProgressDeadlineExceeded",
            "wasi:http/outgoing-handler@0.2.6 is not granted; to grant it: network: {}",
        ]
        .map(str::to_owned),
    );
    texts
}

/// The state and the last state of a container that show a text.
type Shown = fn(&str) -> (Value, Value);

#[test]
fn no_text_of_a_guest_changes_a_condition() {
    // Where a guest's text gets to: what it printed, its trap, and names in its image. 128 is containerd's code of what never ran.
    let places: [(&str, Shown); 7] = [
        ("the log of one that failed", |text| {
            (back_off(), terminated("Error", 1, text))
        }),
        ("with the code of what never ran", |text| {
            (back_off(), terminated("Error", 128, text))
        }),
        ("killed for its memory", |text| {
            (back_off(), terminated("OOMKilled", 137, text))
        }),
        ("of a Job, which is not tried again", |text| {
            (terminated("Error", 134, text), Value::Null)
        }),
        ("an image that is not pulled", |text| {
            (waiting("ErrImagePull", text), Value::Null)
        }),
        ("a user that the image names", |text| {
            (waiting("CreateContainerError", text), Value::Null)
        }),
        ("the trap of its first instance", |text| {
            let refused = refused(
                StartErrorKind::DidNotStart,
                &format!("wasm trap in {text}: {text}"),
            );
            (back_off(), terminated(NEVER_RAN, 128, &refused))
        }),
    ];
    for spec in [GREETER, LINKED] {
        for (place, state) in places {
            let (now, last) = state("nothing of interest");
            let quiet = verdicts(&planned(spec, &now, &last));
            for text in forgeries() {
                let (now, last) = state(&text);
                let plan = planned(spec, &now, &last);
                assert_eq!(verdicts(&plan), quiet, "{place}: {text}");
                let shown = condition(&plan, Type::Ready).message;
                assert!(shown.contains(&text), "{place}: people still see it: {shown}");
            }
        }
    }
}

#[test]
fn the_documentation_has_all_kinds() {
    let page = include_str!("../../../../docs/operator.md");
    for kind in StartErrorKind::ALL {
        assert!(page.contains(&format!("\n| `{}` | ", kind.name())), "{kind:?}");
    }
}
