//! Services come up, change, go back and scale, and nobody who calls them notices.

use serde_json::{Value, json};
use shoal_operated::manifest::{replicated, service};
use shoal_operated::{Operator, condition_is, ready};
use shoal_pods::manifest::busybox;
use shoal_pods::{Load, Space, cluster, guests, http, space};
use std::net::SocketAddr;

/// The address of the Service in front of a WasmService, once the node's kube-proxy leads there: it follows pods that are ready within
/// a second or so, and refuses connections until then.
pub(crate) fn address(space: &Space, name: &str) -> SocketAddr {
    let service = space.get("service", name);
    let ip = service["spec"]["clusterIP"].as_str().unwrap();
    let address = SocketAddr::new(ip.parse().unwrap(), 80);
    let asking = std::thread::spawn(move || {
        http::enter(netns());
        shoal_pods::until("the Service leads to a pod", || {
            http::get(address, "/")
                .map(drop)
                .map_err(|error| error.to_string())
        });
    });
    asking.join().expect("an answer");
    address
}

pub(crate) fn netns() -> &'static str {
    &space::local(&cluster().nodes[0]).netns
}

fn revision(space: &Space, name: &str) -> Value {
    space.get("wasmservice", name)["status"]["revision"].clone()
}

#[test]
fn a_service_answers_and_goes_without_a_trace() {
    let space = Space::new("service");
    let _operator = Operator::start("a", &[&space.name]);
    space.apply(&service("greeter", &guests::image("http_hello")));
    ready(&space, "greeter");
    let status = space.get("wasmservice", "greeter")["status"].clone();
    assert_eq!(
        status["url"],
        json!(format!("http://greeter.{}.svc.cluster.local", space.name))
    );
    assert!(
        status["components"][0]["digest"]
            .as_str()
            .unwrap()
            .starts_with("sha256:"),
        "{status}"
    );
    space.apply(&busybox("client", &cluster().registry));
    space.ready("client");
    let url = format!("{}/", status["url"].as_str().unwrap());
    let answer = space.exec("client", &["wget", "-q", "-O", "-", &url]).unwrap();
    assert_eq!(answer.trim(), "hello, world");
    let columns = space.kubectl(&["get", "wsvc", "greeter", "--no-headers"]);
    assert!(
        columns.contains("True") && columns.contains("http://greeter."),
        "{columns}"
    );
    space.event("greeter", &["RolledOut"]);
    space.kubectl(&["delete", "wsvc", "greeter", "--wait=true"]);
    shoal_pods::until("nothing is left of it", || {
        let left = space.kubectl(&[
            "get",
            "deploy,svc,netpol,pods",
            "-l",
            "shoal.dev/service=greeter",
            "-o",
            "name",
        ]);
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
}

#[test]
fn no_request_fails_while_a_service_changes_goes_back_and_scales() {
    let space = Space::new("rollout");
    let _operator = Operator::start("a", &[&space.name]);
    let (first, second) = (guests::image("http_hello"), guests::image("http3_hello"));
    space.apply(&replicated("greeter", &first, 2));
    ready(&space, "greeter");
    let before = revision(&space, "greeter");
    let load = Load::start(netns(), address(&space, "greeter"));
    space.apply(&replicated("greeter", &second, 2));
    ready(&space, "greeter");
    assert_ne!(revision(&space, "greeter"), before);
    space.apply(&replicated("greeter", &first, 2));
    ready(&space, "greeter");
    assert_eq!(
        revision(&space, "greeter"),
        before,
        "the way back leads to the same revision"
    );
    space.kubectl(&["scale", "wsvc", "greeter", "--replicas=5"]);
    ready(&space, "greeter");
    assert_eq!(
        space.get("wasmservice", "greeter")["status"]["replicas"],
        json!(5)
    );
    space.kubectl(&["scale", "wsvc", "greeter", "--replicas=1"]);
    ready(&space, "greeter");
    load.stop().none_missed("rollout, rollback and change of scale");
}

#[test]
fn what_cannot_be_rolled_out_leaves_what_serves_and_says_why() {
    let space = Space::new("broken");
    let _operator = Operator::start("a", &[&space.name]);
    let good = guests::image("http_hello");
    space.apply(&replicated("greeter", &good, 2));
    ready(&space, "greeter");
    let serving = revision(&space, "greeter");
    let load = Load::start(netns(), address(&space, "greeter"));
    let missing = format!("{}/e2e/nobody-pushed-this:1", cluster().registry);
    for (image, type_, words) in [
        (missing, "ArtifactsResolved", vec!["nobody-pushed-this", "404"]),
        (
            guests::image("hostile_trap_in_start"),
            "Ready",
            vec!["exit code 134", "unreachable"],
        ),
        (
            guests::image("http_outbound"),
            "CapabilitiesGranted",
            vec!["wasi:http/outgoing-handler", "is not granted"],
        ),
    ] {
        space.apply(&replicated("greeter", &image, 2));
        let condition = space.until("wasmservice", "greeter", |object| {
            let condition = shoal_operated::condition(object, type_)?;
            let message = condition["message"].as_str()?.to_owned();
            let said = words.iter().all(|word| message.contains(word));
            (condition["status"] == "False" && said).then_some(condition)
        });
        assert!(!condition["reason"].as_str().unwrap().is_empty());
        let status = space.get("wasmservice", "greeter");
        assert_eq!(
            shoal_operated::condition(&status, "Ready").unwrap()["status"],
            "False"
        );
        assert_eq!(
            shoal_operated::condition(&status, "Available").unwrap()["status"],
            "True",
            "{status:#}"
        );
        assert_eq!(status["status"]["revision"], serving, "the old one serves");
    }
    space.apply(&replicated("greeter", &good, 2));
    ready(&space, "greeter");
    load.stop().none_missed("revisions that can't start");
}

#[test]
fn a_changed_secret_rolls_the_service() {
    let space = Space::new("secret");
    let _operator = Operator::start("a", &[&space.name]);
    let mut object = service("keeper", &guests::image("http_secret"));
    object["spec"]["components"][0]["capabilities"] =
        json!({"secrets": [{"name": "token", "secretKeyRef": {"name": "keys", "key": "token"}}]});
    space.kubectl(&["create", "secret", "generic", "keys", "--from-literal=token=one"]);
    space.apply(&object);
    ready(&space, "keeper");
    let address = address(&space, "keeper");
    space.apply(&busybox("client", &cluster().registry));
    space.ready("client");
    let url = format!("http://{address}/?name=token");
    let ask = || {
        space
            .exec("client", &["wget", "-q", "-O", "-", &url])
            .unwrap_or_default()
    };
    assert_eq!(ask().trim(), "one");
    let first = revision(&space, "keeper");
    space.kubectl(&[
        "patch",
        "secret",
        "keys",
        "-p",
        r#"{"stringData":{"token":"two"}}"#,
    ]);
    shoal_pods::until("the new secret is told", || match ask().trim() {
        "two" => Ok(()),
        other => Err(other.to_owned()),
    });
    condition_is(&space, "keeper", "Ready", "True");
    assert_ne!(revision(&space, "keeper"), first);
}

#[test]
fn a_service_that_nobody_calls_is_run_once() {
    let space = Space::new("job");
    let _operator = Operator::start("a", &[&space.name]);
    let mut object = service("report", &guests::image("command_hello"));
    object["spec"]["triggers"] = json!([]);
    space.apply(&object);
    let done = condition_is(&space, "report", "Ready", "True");
    assert_eq!(done["reason"], "Completed");
    let log = space.kubectl(&["logs", "-l", "shoal.dev/service=report", "--tail=-1"]);
    assert!(log.contains("to stderr"), "{log}");
}

#[test]
fn somebody_elses_deployment_is_left_alone() {
    let space = Space::new("taken");
    let _operator = Operator::start("a", &[&space.name]);
    let theirs = shoal_pods::manifest::deployment("greeter", &guests::image("http_hello"), 1);
    space.apply(&theirs);
    let before = space.get("deployment", "greeter")["spec"].clone();
    space.apply(&service("greeter", &guests::image("http_hello")));
    let condition = condition_is(&space, "greeter", "Accepted", "False");
    assert_eq!(condition["reason"], "NameTaken");
    assert!(
        condition["message"]
            .as_str()
            .unwrap()
            .contains("Deployment greeter"),
        "{condition}"
    );
    assert_eq!(space.get("deployment", "greeter")["spec"], before);
}
