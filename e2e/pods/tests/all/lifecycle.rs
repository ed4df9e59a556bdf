//! From `kubectl apply` to an answer, to nothing left behind.

use serde_json::json;
use shoal_pods::manifest::{busybox, deployment, job, pod, service};
use shoal_pods::node::Traces;
use shoal_pods::{Space, cluster, exclusive, guests, until};
use std::collections::BTreeSet;

#[test]
fn a_pod_a_deployment_behind_a_service_and_a_job_run_and_leave_nothing() {
    let _alone = exclusive();
    // Whatever an earlier test's namespace still holds goes first: a keeper and a daemon stay with the node, once they are started.
    let first = Space::new("first");
    for node in &cluster().nodes {
        let name = format!("first-{}", node.name);
        let mut first_pod = pod(&name, &guests::image("http_hello"));
        first_pod["spec"]["nodeName"] = json!(node.name);
        first.apply(&first_pod);
    }
    for node in &cluster().nodes {
        first.ready(&format!("first-{}", node.name));
    }
    first.kubectl(&["delete", "pods", "--all"]);
    let before = settled();

    let space = Space::new("lifecycle");
    space.apply(&busybox("client", &cluster().registry));
    space.apply(&pod("single", &guests::image("http_hello")));
    space.apply(&deployment("web", &guests::image("http_hello"), 4));
    space.apply(&service("web"));
    space.apply(&job("once", &guests::image("command_hello"), &[]));

    let address = space.ready("single");
    space.ready("client");
    let answer = space.exec(
        "client",
        &["wget", "-q", "-O", "-", &format!("http://{address}/")],
    );
    assert_eq!(answer.unwrap().trim(), "hello, world");

    space.kubectl(&["rollout", "status", "deployment/web", "--timeout=120s"]);
    let pods = space.list(&["pods", "-l", "app=web"]);
    let nodes: BTreeSet<_> = pods["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pod| pod["spec"]["nodeName"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(nodes.len(), cluster().nodes.len().min(4), "on every node");
    let ip = space.get("service", "web")["spec"]["clusterIP"]
        .as_str()
        .unwrap()
        .to_owned();
    for host in [ip.as_str(), &format!("web.{}.svc.cluster.local", space.name)] {
        let url = format!("http://{host}/");
        let answer = until("an answer through the service", || {
            space.exec("client", &["wget", "-q", "-O", "-", &url])
        });
        assert_eq!(answer.trim(), "hello, world", "{url}");
    }

    space.until("job", "once", |job| {
        (job["status"]["succeeded"] == 1).then_some(())
    });
    let logs = space.kubectl(&["logs", "job/once"]);
    assert!(logs.contains("to stderr"), "{logs:?}");

    space.kubectl(&[
        "delete",
        "deployment/web",
        "job/once",
        "service/web",
        "pod/single",
        "pod/client",
    ]);
    space.kubectl(&["wait", "--for=delete", "pod", "--all", "--timeout=120s"]);
    until("what was there before, and nothing else", || {
        let more = Traces::now().beyond(&before);
        more.is_empty().then_some(()).ok_or_else(|| format!("{more:#?}"))
    });
}

/// The traces, once nothing changes any more.
fn settled() -> Traces {
    let mut last = Traces::now();
    until("a node at rest", || {
        std::thread::sleep(std::time::Duration::from_secs(2));
        let now = Traces::now();
        let same = now == last;
        last = now;
        same.then_some(last.clone())
            .ok_or_else(|| "it changes".to_owned())
    })
}

#[test]
fn logs_can_be_followed_and_arguments_and_variables_arrive() {
    let space = Space::new("logs");
    let mut object = pod("log", &guests::image("http_log"));
    object["spec"]["containers"][0]["env"] = json!([{"name": "GREETING", "value": "from the pod"}]);
    space.apply(&object);
    let address = space.ready("log");
    space.apply(&busybox("client", &cluster().registry));
    space.ready("client");
    let mut follow = cluster()
        .kubectl
        .command(&["-n", &space.name, "logs", "-f", "log"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    for _ in 0..3 {
        space
            .exec(
                "client",
                &["wget", "-q", "-O", "-", &format!("http://{address}/")],
            )
            .unwrap();
    }
    space.kubectl(&["delete", "pod", "log"]);
    let mut text = String::new();
    std::io::Read::read_to_string(&mut follow.stdout.take().unwrap(), &mut text).unwrap();
    follow.wait().unwrap();
    assert!(text.lines().count() >= 3, "{text:?}");

    let mut object = pod("env", &guests::image("http_env"));
    object["spec"]["containers"][0]["env"] = json!([{"name": "GREETING", "value": "from the pod"}]);
    space.apply(&object);
    let address = space.ready("env");
    let answer = space.exec(
        "client",
        &["wget", "-q", "-O", "-", &format!("http://{address}/")],
    );
    assert!(answer.as_ref().unwrap().contains("from the pod"), "{answer:?}");
}

#[test]
fn requests_in_flight_finish_before_a_pod_ends() {
    let space = Space::new("grace");
    space.apply(&busybox("client", &cluster().registry));
    space.apply(&pod("slow", &guests::image("http_sleep")));
    let address = space.ready("slow");
    space.ready("client");
    let url = format!("http://{address}/?ms=4000");
    let answer = std::thread::scope(|scope| {
        let request = scope.spawn(|| space.exec("client", &["wget", "-q", "-O", "-", &url]));
        std::thread::sleep(std::time::Duration::from_secs(2));
        space.kubectl(&["delete", "pod", "slow"]);
        request.join().unwrap()
    });
    assert!(answer.is_ok(), "{answer:?}");
}

#[test]
fn both_sandboxers_run_a_pod() {
    let space = Space::new("sandboxers");
    space.apply(&busybox("client", &cluster().registry));
    space.ready("client");
    for class in ["shoal", "shoal-podsandbox"] {
        let mut object = pod(class, &guests::image("http_hello"));
        object["spec"]["runtimeClassName"] = json!(class);
        object["spec"]["containers"][0]["livenessProbe"] =
            json!({"tcpSocket": {"port": 80}, "periodSeconds": 1});
        object["spec"]["containers"][0]["readinessProbe"] =
            json!({"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1});
        space.apply(&object);
        let address = space.ready(class);
        let answer = space.exec(
            "client",
            &["wget", "-q", "-O", "-", &format!("http://{address}/")],
        );
        assert_eq!(answer.unwrap().trim(), "hello, world", "{class}");
        space.kubectl(&["delete", "pod", class]);
    }
}
