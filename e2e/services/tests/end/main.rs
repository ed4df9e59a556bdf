//! After all other tests of the chart: it is taken off again, and what it was granted is compared with what it asked for meanwhile.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests; clippy sees helper functions as something else"
)]

use serde_json::Value;
use shoal_pods::{Space, cluster, guests, until};
use shoal_services::helm::{helm, kubectl};
use shoal_services::installation::{INSTALLER_NAMESPACE, NAMESPACE, RELEASE};
use shoal_services::rights::{Right, asked, granted};
use shoal_services::{chart, installed, manifest};
use std::path::Path;

/// Rights that no test makes use of, each with its reason: account, verb, resource.
const UNUSED: [(&str, &str, &str, &str); 1] = [(
    "shoal-operator",
    "patch",
    "events",
    "only where the same event comes again within some minutes",
)];

#[test]
fn uninstall_leaves_the_definition_and_the_services_and_nothing_else() {
    let installation = installed();
    let space = Space::new("uninstall");
    // Two pods with a budget: one of them can't be evicted, since nothing replaces the other.
    let mut service = manifest::service("left", &guests::image("http_hello"));
    service["spec"]["scaling"] = serde_json::json!({"minReplicas": 2});
    space.apply(&service);
    space.kubectl(&["wait", "--for=condition=Ready", "wsvc/left", "--timeout=120s"]);
    let folder = chart::folder();
    let rendered = helm(&[
        "template",
        RELEASE,
        folder.to_str().unwrap(),
        "-n",
        NAMESPACE,
        "-f",
        installation.file(),
    ]);

    helm(&["uninstall", RELEASE, "-n", NAMESPACE, "--wait", "--timeout", "6m"]);

    let kinds = kubectl(&["api-resources", "--verbs=list", "-o", "name"]);
    let kinds: Vec<&str> = kinds
        .lines()
        .filter(|kind| !kind.starts_with("events") && !kind.contains("metrics"))
        .collect();
    until("what belonged to the release is gone", || {
        let selector = format!("app.kubernetes.io/instance={RELEASE},app.kubernetes.io/managed-by=Helm");
        let left = kubectl(&["get", &kinds.join(","), "-A", "-l", &selector, "-o", "name"]);
        match left.trim() {
            "customresourcedefinition.apiextensions.k8s.io/wasmservices.shoal.dev" => Ok(()),
            left => Err(format!("left: {left}")),
        }
    });
    assert_eq!(kubectl(&["get", "leases", "-n", NAMESPACE, "-o", "name"]), "");
    until("the installer's namespace is gone", || {
        let found = kubectl(&[
            "get",
            "namespace",
            INSTALLER_NAMESPACE,
            "--ignore-not-found",
            "-o",
            "name",
        ]);
        found.is_empty().then_some(()).ok_or(found)
    });
    assert_eq!(
        space.get("wsvc", "left")["spec"]["scaling"]["minReplicas"],
        2,
        "services stay"
    );
    let pods = space.list(&["pods"]);
    assert!(
        !pods.to_string().contains("\"Running\""),
        "no pod runs without the runtime: {pods}"
    );
    for node in &cluster().nodes {
        let object = cluster().kubectl.get(&["node", &node.name]).unwrap();
        let labels = object["metadata"]["labels"].to_string();
        assert!(!labels.contains("shoal.dev/"), "{}: {labels}", node.name);
        // What the node itself has, where it lies open.
        if let Some(local) = &node.local {
            nothing_left(local);
        }
    }
    compare(&rendered);
}

/// Neither programs nor configuration nor processes.
fn nothing_left(local: &'static shoal_cluster::LocalNode) {
    let root = format!("/proc/{}/root", local.pid("holder").unwrap());
    let root = Path::new(&root);
    let conf = std::fs::read_dir(root.join("etc/containerd/conf.d"))
        .into_iter()
        .flatten()
        .flatten();
    let conf: Vec<_> = conf.map(|entry| entry.file_name()).collect();
    assert!(conf.is_empty(), "{conf:?}");
    let bin = std::fs::read_dir(root.join("opt/shoal"))
        .into_iter()
        .flatten()
        .flatten();
    let bin: Vec<_> = bin.map(|entry| entry.file_name()).collect();
    assert!(bin.is_empty(), "{bin:?}");
    assert!(!root.join("usr/local/bin/containerd-shim-shoal-v1").exists());
    // What containerd started is among the node's own mounts.
    let mounts = |pid: i32| std::fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
    let here = mounts(local.pid("holder").unwrap());
    let ours = shoal_pods::node::processes().into_iter();
    let left: Vec<_> = ours
        .filter(|it| it.name.starts_with("shoald") && mounts(it.pid) == here)
        .collect();
    assert!(left.is_empty(), "a daemon still runs: {left:?}");
}

/// Nothing was denied, and nothing is granted that nobody asked for.
fn compare(rendered: &str) {
    let Ok(log) = std::env::var("SHOAL_AUDIT_LOG") else {
        panic!("SHOAL_AUDIT_LOG is not set: this needs the audit log of a cluster of `make cluster`");
    };
    let log = std::fs::read_to_string(log).unwrap();
    let objects: Vec<Value> = serde_saphyr::from_multiple(rendered).unwrap();
    let granted = granted(&objects);
    let asked = asked(&log, NAMESPACE);
    let denied: Vec<&Right> = asked.denied.iter().collect();
    assert!(denied.is_empty(), "missing in the chart's rules: {denied:#?}");
    let excused = |right: &&Right| {
        UNUSED.iter().any(|(account, verb, resource, _)| {
            right.account.ends_with(account) && right.verb == *verb && right.resource == *resource
        })
    };
    let unused: Vec<&Right> = granted
        .difference(&asked.allowed)
        .filter(|right| !excused(right))
        .collect();
    assert!(unused.is_empty(), "granted, and never asked for: {unused:#?}");
    println!(
        "{} rights granted, {} used, {} excused",
        granted.len(),
        granted.intersection(&asked.allowed).count(),
        UNUSED.len()
    );
    // Somebody did ask: the log is the right one.
    assert!(asked.allowed.len() > 30, "{:?}", asked.allowed);
}
