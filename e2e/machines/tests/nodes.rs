//! The installer on a cluster's nodes, under pods that run: `shoal-cluster up --bare --nodes 2` and its environment. What needs systemd
//! is in `machines`.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests are tests, which clippy cannot see in this folder"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::json;
use shoal_cluster::{Cluster, LocalNode};

const PROGRAMS: [&str; 4] = [
    "containerd-shim-shoal-v1",
    "shoald",
    "shoal-worker",
    "shoal-compile",
];

fn built() -> PathBuf {
    let this = std::env::current_exe().expect("this program");
    let folder = this.ancestors().nth(2).expect("deps lies in it").to_owned();
    std::env::var_os("SHOAL_MACHINES_PROGRAMS").map_or(folder, PathBuf::from)
}

/// The programs to install, in a folder of their own.
fn payload() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for program in PROGRAMS {
        fs::copy(built().join(program), folder.path().join(program)).expect("a program");
    }
    folder
}

struct Node<'a> {
    name: &'a str,
    local: &'a LocalNode,
    payload: &'a Path,
}

impl Node<'_> {
    fn run(&self, command: &str, more: &[&str]) -> Output {
        let holder = self.local.pid("holder").expect("its holder");
        // Not by its root alone: a folder that something is mounted on can be removed from among other mounts, and takes it along.
        Command::new("nsenter")
            .arg(format!("--mount=/proc/{holder}/ns/mnt"))
            .arg(built().join("shoal-installer"))
            .args(["--host-root", "/", command, "--once", "--payload"])
            .arg(self.payload)
            .args(more)
            .output()
            .expect("the installer")
    }

    fn succeeds(&self, command: &str) -> String {
        let output = self.run(command, &[]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{}: {said}", self.name);
        said
    }

    fn fails(&self, command: &str, more: &[&str], words: &str) {
        let output = self.run(command, more);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let last = said.lines().last().unwrap_or_default();
        assert!(
            !output.status.success() && last.contains(words),
            "{}: {said}",
            self.name
        );
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.local.folder.join(name)).unwrap_or_default()
    }

    /// containerd's process.
    fn containerd(&self) -> String {
        self.file("run-containerd/containerd.pid")
    }

    /// All of its configuration.
    fn configuration(&self) -> Vec<String> {
        vec![
            self.file("etc-containerd/config.toml"),
            self.file("etc-containerd/conf.d/shoal.toml"),
        ]
    }

    /// The process that runs the daemon of the current version.
    fn daemon(&self) -> Option<String> {
        let bin = self.local.folder.join("opt-shoal/bin");
        let current = fs::canonicalize(bin.join(fs::read_link(bin.join("current")).ok()?)).ok()?;
        let file = |path: &Path| {
            use std::os::unix::fs::MetadataExt;
            let meta = fs::metadata(path).ok()?;
            Some((meta.dev(), meta.ino()))
        };
        let wanted = file(&current.join("shoald"))?;
        let processes = fs::read_dir("/proc").ok()?.flatten();
        processes
            .map(|process| process.path())
            .find(|process| file(&process.join("exe")) == Some(wanted))
            .map(|process| process.display().to_string())
    }
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_mins(2), "{what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn nodes_get_the_shim_keep_their_pods_and_lose_it_again() {
    let cluster = Cluster::from_env().expect("a cluster: shoal-cluster up --bare --nodes 2");
    let programs = payload();
    let nodes: Vec<Node> = cluster
        .nodes
        .iter()
        .map(|node| Node {
            name: &node.name,
            local: node.local.as_ref().expect("a node of this machine"),
            payload: programs.path(),
        })
        .collect();
    let [first, second] = &*nodes else {
        panic!("two nodes are needed");
    };
    let ready = |node: &Node| {
        let path = "jsonpath={.status.conditions[?(@.type=='Ready')].status}";
        cluster
            .kubectl
            .run(&["get", "node", node.name, "-o", path])
            .is_ok_and(|status| status == "True")
    };

    // A bad configuration goes, and leaves the other node alone.
    let before: Vec<_> = nodes.iter().map(Node::configuration).collect();
    let other = second.containerd();
    let bad = [
        "--timeout",
        "10",
        "--runtime-option",
        "base_runtime_spec=\"/nowhere.json\"",
    ];
    first.fails("install", &bad, "the node is as it was before");
    assert_eq!(first.configuration(), before[0]);
    until("the node is Ready again", || ready(first));
    assert_eq!(second.containerd(), other);

    // Both get it; a second run restarts nothing.
    for node in &nodes {
        node.succeeds("install");
        let containerd = node.containerd();
        let said = node.succeeds("install");
        assert!(!said.contains("restarting"), "{said}");
        assert_eq!(node.containerd(), containerd);
    }

    for node in &nodes {
        let witness = node.local.folder.join("kubelet-works-here/witness");
        assert!(witness.exists(), "kubelet removed what is not the canary's");
    }

    // A pod of kubelet's lives through an upgrade.
    let guests = std::env::var_os("SHOAL_GUESTS").expect("SHOAL_GUESTS names the folder with the components");
    let image = cluster.push_component(&PathBuf::from(guests).join("http_hello.wasm"), "e2e/installed:1");
    let class = json!({
        "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "shoal"}, "handler": "shoal",
    });
    cluster.kubectl.apply(&class).expect("a runtime class");
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "installed", "namespace": "default"},
        "spec": {
            "runtimeClassName": "shoal", "nodeName": first.name, "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "web", "image": image.expect("pushed"), "ports": [{"containerPort": 8080}]}],
        },
    });
    cluster.kubectl.apply(&pod).expect("a pod");
    let status = || cluster.kubectl.get(&["pod", "installed"]).expect("the pod")["status"].clone();
    until("the pod runs", || {
        status()["containerStatuses"][0]["ready"] == true
    });
    let (started, containerd, daemon) = (status(), first.containerd(), first.daemon());
    assert!(daemon.is_some(), "no daemon runs");
    let shoald = programs.path().join("shoald");
    let mut newer = fs::read(&shoald).expect("a program");
    newer.push(0);
    fs::write(&shoald, newer).expect("written");
    first.succeeds("install");
    until("the keeper starts the new daemon", || first.daemon().is_some());
    assert_ne!(first.daemon(), daemon);
    assert_eq!(first.containerd(), containerd);
    assert_eq!(status()["containerStatuses"][0], started["containerStatuses"][0]);
    let address = started["podIP"].as_str().expect("an address").to_owned();
    let answer = Command::new("nsenter")
        .arg(format!("--net=/run/netns/{}", first.local.netns))
        .args([
            "curl",
            "--silent",
            "--show-error",
            "--fail",
            &format!("http://{address}:8080/"),
        ])
        .output()
        .expect("curl");
    assert!(
        answer.status.success(),
        "{}",
        String::from_utf8_lossy(&answer.stderr)
    );

    // It is not taken away under a pod; then it is, and nothing is left.
    first.fails("remove", &[], "drain it first");
    cluster
        .kubectl
        .run(&["delete", "pod", "installed", "--wait"])
        .expect("deleted");
    cluster
        .kubectl
        .run(&["delete", "runtimeclass", "shoal"])
        .expect("deleted");
    for (node, before) in nodes.iter().zip(&before) {
        until("the pod's sandbox is gone", || {
            let output = node.run("remove", &[]);
            output.status.success() || !String::from_utf8_lossy(&output.stderr).contains("drain it first")
        });
        node.succeeds("remove");
        assert_eq!(node.configuration(), *before);
        assert!(node.daemon().is_none());
        until("the node is Ready", || ready(node));
    }
}
