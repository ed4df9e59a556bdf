//! A file system that never answers, a worker that the kernel holds, an address that drops packets, a silent name server: others on the node
//! start, answer and end beside them.

use serde_json::{Value, json};
use shoal_cluster::{Images, Stalls};
use shoal_pods::manifest::{pod, spec};
use shoal_pods::space::{local, on_a_node};
use shoal_pods::{Space, cluster, exclusive, guests, http, node, until};
use std::fs;
use std::net::SocketAddr;

/// Pods of each trust domain.
const PODS: u64 = 25;

/// Pods of a trust domain, all on the node.
fn deployment(home: &str) -> Value {
    let mut spec = spec(&guests::image("http_hello"));
    spec["nodeName"] = json!(home);
    spec["terminationGracePeriodSeconds"] = json!(5);
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "replicas": PODS,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": spec},
        },
    })
}

fn start_answer_and_end(space: &Space, home: &str) {
    space.apply(&deployment(home));
    space.until("deployment", "web", |object| {
        (object["status"]["readyReplicas"].as_u64() == Some(PODS)).then_some(())
    });
    let pods = space.list(&["pods", "-l", "app=web"]);
    let pods = pods["items"].as_array().unwrap();
    assert_eq!(pods.len() as u64, PODS);
    for pod in pods {
        let address = SocketAddr::new(pod["status"]["podIP"].as_str().unwrap().parse().unwrap(), 80);
        let answer = on_a_node(move || http::get(address, "/")).unwrap();
        assert_eq!(answer.0, 200, "{answer:?}");
    }
    space.kubectl(&["delete", "deployment", "web", "--wait=false"]);
    until("all pods are gone", || {
        let left = space.list(&["pods", "-l", "app=web"]);
        match left["items"].as_array().map_or(0, Vec::len) {
            0 => Ok(()),
            left => Err(format!("{left} are left")),
        }
    });
}

/// A pod with a directory of the node's own disk.
fn with_directory(name: &str, home: &str, folder: &std::path::Path) -> Value {
    let mut object = pod(name, &guests::image("http_files"));
    object["metadata"]["annotations"] =
        json!({"shoal.dev/capabilities": "filesystem: [{volume: data, mountPath: /data, readOnly: true}]"});
    object["spec"]["nodeName"] = json!(home);
    object["spec"]["volumes"] = json!([{"name": "data", "hostPath": {"path": folder}}]);
    object["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "data", "mountPath": "/shoal/volumes/data", "readOnly": true}]);
    object
}

#[test]
fn nothing_that_hangs_on_a_node_holds_up_another_pod() {
    let _alone = exclusive();
    let home = &cluster().nodes[0];
    let on = local(home);
    let [stalled, held, other] = ["stalled", "stalled-held", "stalled-other"].map(Space::new);
    let images = Images {
        files: guests::image("http_files"),
        outbound: guests::image("http_outbound"),
    };
    let stalls = Stalls::start(cluster(), home, (&stalled.name, &held.name), &images);
    let stalls = stalls.unwrap_or_else(|error| panic!("{error:#}"));
    assert!(stalls.asked() > 0);

    start_answer_and_end(&other, &home.name);
    start_answer_and_end(&stalled, &home.name);

    // The worker whose last pod is gone was killed, and is still there.
    let domain = format!("files-ns-{}", held.name);
    let before = until("a worker that was killed and does not end", || {
        let workers = node::workers(on).into_iter();
        let worker = workers
            .filter(|worker| worker.domain == domain)
            .min_by_key(|it| it.generation);
        let worker = worker.ok_or("there is none")?;
        let status =
            fs::read_to_string(format!("/proc/{}/status", worker.pid)).map_err(|it| it.to_string())?;
        let killed = [
            "\nState:\tZ",
            "\nSigPnd:\t0000000000000100",
            "\nShdPnd:\t0000000000000100",
        ];
        match killed.iter().any(|sign| status.contains(sign)) {
            true => Ok(worker),
            false => Err(status),
        }
    });
    // Pods with directories start beside those that hang: in its domain with a new worker, in the other domain with the same one.
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    fs::write(folder.path().join("greeting"), "ahoy").unwrap();
    for space in [&held, &stalled] {
        space.apply(&with_directory("files", &home.name, folder.path()));
        let address = space.ready("files");
        let answer = on_a_node(move || http::get(address, "/?op=read&path=/data/greeting")).unwrap();
        assert_eq!(answer, (200, "ahoy".to_owned()));
    }
    let generations = node::workers(on)
        .into_iter()
        .filter(|worker| worker.domain == domain);
    assert!(
        generations
            .map(|it| it.generation)
            .any(|it| it > before.generation)
    );

    // A pod that hangs can be deleted.
    stalled.kubectl(&["delete", "pod", "hangs", "--grace-period=1", "--timeout=120s"]);
    drop(stalls);
    until(
        "the worker ends once the file system is gone",
        || match node::workers(on)
            .iter()
            .any(|it| it.generation == before.generation)
        {
            true => Err(format!("{before:?} is still there")),
            false => Ok(()),
        },
    );
}
