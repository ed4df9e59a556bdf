//! Components of a pod that are linked: one component, of which each part keeps its own grants, variables and log.

use serde_json::{Value, json};
use shoal_pods::manifest::pod;
use shoal_pods::space::local;
use shoal_pods::{Space, cluster, guests, http, node, until};
use std::net::SocketAddr;

const CALLS: &str = "test:links/calls";

/// A container of a component that others have in themselves.
fn within(name: &str, guest: &str) -> Value {
    json!({
        "name": name, "image": guests::image(guest), "restartPolicy": "Always",
        "env": [{"name": "WHO", "value": name}],
    })
}

fn links(to: &str) -> String {
    format!("[{{import: '{CALLS}', component: {to}}}]")
}

/// A pod whose component `web` is linked to `first`, the containers of the others before its own.
fn linked(name: &str, first: &str, others: &[Value]) -> Value {
    let mut object = pod(name, &guests::image("link_web"));
    object["spec"]["initContainers"] = json!(others);
    object["spec"]["containers"][0]["env"] = json!([{"name": "WHO", "value": "web"}]);
    object["metadata"]["annotations"] = json!({"shoal.dev/links.web": links(first)});
    object
}

fn try_get(address: SocketAddr, path: &str) -> std::io::Result<(u16, String)> {
    let path = path.to_owned();
    let asking = std::thread::spawn(move || {
        http::enter(&local(&cluster().nodes[0]).netns);
        http::get(address, &path)
    });
    asking.join().unwrap()
}

fn get(address: SocketAddr, path: &str) -> (u16, String) {
    try_get(address, path).unwrap()
}

#[test]
fn a_chain_of_a_pod_is_one_and_each_component_has_its_own_variables_and_log() {
    let space = Space::new("chain");
    let others = [within("lib", "link_provider"), within("middle", "link_middle")];
    let mut object = linked("chain", "middle", &others);
    object["metadata"]["annotations"]["shoal.dev/links.middle"] = json!(links("lib"));
    space.apply(&object);
    let address = space.ready("chain");
    for (path, answer) in [
        ("/?op=add&a=1&b=1", "3"),
        ("/?op=bytes&size=1048576", "1048576"),
        // Beside what each container of a pod has.
        ("/?op=env", r#"("WHO", "web")"#),
        ("/?op=must&what=env", r#"("WHO", "lib")"#),
        ("/?op=attempt&what=env-of-middle", r#"("WHO", "middle")"#),
        ("/?op=must&what=say:hello", "hello"),
        ("/?op=must&what=log:from-within", "logged"),
    ] {
        let (status, said) = get(address, path);
        assert!(status == 200 && said.contains(answer), "{path}: {status} {said}");
    }
    let log = |container: &str| space.kubectl(&["logs", "chain", "-c", container]);
    until("what it said", || match log("lib") {
        text if text.contains("from-within") => Ok(()),
        text => Err(text),
    });
    assert_eq!(log("web"), "");
    // After their worker has died, all of them are made anew, and each prints to its new log.
    let worker =
        node::worker(local(space.node_of("chain")), &format!("ns-{}", space.name)).expect("a worker");
    node::kill(worker);
    until("another answer", || {
        match try_get(address, "/?op=must&what=log:once-more") {
            Ok((200, _)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    until("what it said after that", || match log("lib") {
        text if text.contains("once-more") => Ok(()),
        text => Err(text),
    });
    // All of them are there, and go together.
    space.kubectl(&["delete", "pod", "chain", "--wait=true", "--timeout=60s"]);
}

#[test]
fn a_component_gets_nothing_of_the_one_that_has_it_in_itself() {
    let space = Space::new("malice");
    let mut object = linked("malice", "lib", &[within("lib", "link_malice")]);
    object["metadata"]["annotations"]["shoal.dev/capabilities.web"] =
        json!("network: {outbound: [{host: 0.0.0.0/0, ports: [80]}]}");
    space.apply(&object);
    let event = space.event("malice", &["shoal.dev/capabilities.lib", "not granted"]);
    assert!(!event.contains("capabilities.web"), "{event}");
}

#[test]
fn what_does_not_fit_is_told_in_the_pods_events() {
    let space = Space::new("misfit");
    space.apply(&linked("types", "lib", &[within("lib", "link_wrong_types")]));
    space.event("types", &["component web", CALLS, "lib"]);
    // A container that starts later is not there yet.
    let mut late = pod("late", &guests::image("link_web"));
    let mut lib = within("lib", "link_provider");
    lib.as_object_mut().unwrap().remove("restartPolicy");
    late["spec"]["containers"].as_array_mut().unwrap().push(lib);
    late["metadata"]["annotations"] = json!({"shoal.dev/links.web": links("lib")});
    space.apply(&late);
    space.event("late", &["there is no component lib", "list them first"]);
}

#[test]
fn a_job_of_linked_components_ends_with_the_one_that_is_run() {
    let space = Space::new("linked-job");
    let redis = shoal_pods::space::redis();
    let url = redis.url();
    // Nobody calls the part, and it holds up nothing.
    let mut object = pod("runs", &guests::image("service_worker"));
    object["spec"]["restartPolicy"] = json!("Never");
    object["spec"]["initContainers"] = json!([within("lib", "link_provider")]);
    object["metadata"]["annotations"] = json!({
        "shoal.dev/triggers": "[{name: nightly, component: web, schedule: {cron: '@daily'}}]",
        "shoal.dev/links.other": links("lib"),
        "shoal.dev/stores": format!("[{{name: seen, redis: {{url: '{url}', prefix: 'seen:'}}}}]"),
        "shoal.dev/capabilities.web": "keyValue: [{name: default, store: seen}]",
    });
    space.apply(&object);
    space.until("pod", "runs", |pod| {
        (pod["status"]["phase"] == "Succeeded").then_some(())
    });
}
