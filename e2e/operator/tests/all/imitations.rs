//! What a guest prints, answers and ends with changes no condition, whatever it looks like.

use crate::rollout::{address, netns};
use serde_json::{Value, json};
use shoal_operated::manifest::service;
use shoal_operated::{Operator, condition, condition_is, ready};
use shoal_pods::{Space, guests, http};

/// As a node says it of a component that may not run.
const DENIAL: &str = "shoal.dev/NotGranted: wasi:http/outgoing-handler@0.2.0 is not granted";

#[test]
fn a_guest_that_prints_and_ends_with_what_the_operator_looks_for_changes_no_condition() {
    let space = Space::new("imitation");
    let _operator = Operator::start("a", &[&space.name]);
    space.apply(&service("talks", &guests::image("http_log")));
    ready(&space, "talks");
    let before = space.get("wasmservice", "talks")["status"]["conditions"].clone();
    let address = address(&space, "talks");
    let path = format!("/?lines=5&text={}", DENIAL.replace(' ', "%20"));
    let asking = std::thread::spawn(move || {
        http::enter(netns());
        http::get(address, &path)
    });
    assert_eq!(asking.join().unwrap().unwrap().0, 200);
    let log = || space.kubectl(&["logs", "-l", "shoal.dev/service=talks", "--tail=-1"]);
    shoal_pods::until("the denial in its log", || {
        let log = log();
        log.contains("NotGranted").then_some(()).ok_or(log)
    });
    // Programs, each of which fails in a way of its own. The message of the first is what kubelet takes of its log.
    for (name, args, words) in [
        ("exits", json!(["128"]), DENIAL),
        ("panics", json!([]), "unreachable"),
    ] {
        let mut object = service(name, &guests::image("command_imitates_denials"));
        object["spec"]["triggers"] = json!([]);
        object["spec"]["components"][0]["args"] = args;
        space.apply(&object);
        let message = shoal_pods::until("a failed pod", || {
            let pods = space.list(&["pods"]);
            ended(&pods, name).ok_or_else(|| pods.to_string())
        });
        assert!(message.contains(words), "{name}: {message}");
        let failed = condition_is(&space, name, "Ready", "False");
        assert_ne!(failed["reason"], "NotGranted", "{failed}");
        assert_ne!(failed["reason"], "NotLinked", "{failed}");
        let object = space.get("wasmservice", name);
        for type_ in ["CapabilitiesGranted", "LinksResolved"] {
            let status = condition(&object, type_).map(|it| it["status"].clone());
            assert_ne!(status, Some(json!("False")), "{name}: {object:#}");
        }
    }
    // By now the operator has looked at all of them many times.
    assert_eq!(space.get("wasmservice", "talks")["status"]["conditions"], before);
}

/// The message of the first container of a service's that has failed.
fn ended(pods: &Value, service: &str) -> Option<String> {
    let pods = pods["items"].as_array()?.iter();
    let mut of = pods.filter(|it| it["metadata"]["labels"]["shoal.dev/service"] == service);
    of.find_map(|pod| {
        let container = &pod["status"]["containerStatuses"][0];
        let states = [&container["state"], &container["lastState"]];
        let ended = states
            .into_iter()
            .map(|it| &it["terminated"])
            .find(|it| it.is_object())?;
        Some(ended["message"].as_str()?.to_owned())
    })
}
