//! What containerd asks the launcher, and what it reads.

use std::os::unix::fs::PermissionsExt;

use containerd_shim_protos::api::DeleteResponse;
use containerd_shim_protos::bootstrap_api::BootstrapParams;
use containerd_shim_protos::protobuf::Message;
use containerd_shim_protos::types::introspection::RuntimeInfo;
use serde_json::{Value, json};
use shoal_channel::node::Containerd;

use crate::node::Node;

const START: [&str; 7] = [
    "-namespace",
    "k8s.io",
    "-address",
    "/run/containerd/containerd.sock",
    "-id",
    "pod1",
    "start",
];

fn start(node: &Node, args: &[&str], input: &[u8]) -> String {
    let output = node.run(args, input);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        output.stderr.is_empty(),
        "containerd takes standard error for the reply too"
    );
    String::from_utf8(output.stdout).expect("text")
}

fn recorded(node: &Node) -> Containerd {
    let content = std::fs::read(node.folders.containerd()).expect("recorded");
    serde_json::from_slice(&content).expect("JSON")
}

fn parameters(id: &str) -> Vec<u8> {
    let parameters = BootstrapParams {
        instance_id: id.into(),
        namespace: "k8s.io".into(),
        containerd_version: "2.4.2".into(),
        containerd_ttrpc_address: "/elsewhere/c.sock.ttrpc".into(),
        containerd_grpc_address: "/elsewhere/c.sock".into(),
        ..BootstrapParams::default()
    };
    parameters.write_to_bytes().expect("bytes")
}

#[test]
fn what_it_is() {
    let node = Node::new();
    let info = node.run(&["-info"], b"options");
    let info = RuntimeInfo::parse_from_bytes(&info.stdout).expect("a RuntimeInfo");
    assert_eq!(info.name, "io.containerd.shoal.v1");
    assert_eq!(info.version.version, env!("CARGO_PKG_VERSION"));
    let version = node.run(&["-v"], b"");
    assert!(String::from_utf8_lossy(&version.stdout).contains(env!("CARGO_PKG_VERSION")));
    assert!(!node.folders.run.exists(), "to be asked leaves no trace");
    let wrong = node.run(&["-namespace", "x", "stop"], b"");
    assert!(!wrong.status.success());
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("there are start, delete and keep"));
}

#[test]
fn a_containerd_of_today_gets_version_3() {
    let node = Node::new();
    let address = format!("unix://{}", node.folders.shim_socket().display());
    let wanted = json!({"version": 3, "address": address, "protocol": "ttrpc"});
    let reply: Value = serde_json::from_str(&start(&node, &START, &parameters("pod1"))).expect("JSON");
    assert_eq!(reply, wanted);
    let recorded = recorded(&node);
    assert_eq!(recorded.grpc_address, "/elsewhere/c.sock");
    assert_eq!(recorded.ttrpc_address, "/elsewhere/c.sock.ttrpc");
    assert_eq!(
        (recorded.namespace.as_str(), recorded.version.as_deref()),
        ("k8s.io", Some("2.4.2"))
    );
    assert!(!node.bundle.join("address").exists());
}

#[test]
fn a_containerd_that_nobody_knows_gets_version_2() {
    let node = Node::new();
    let address = format!("unix://{}", node.folders.shim_socket().display());
    // The parameters of another pod are options that look like parameters.
    for input in [Vec::new(), parameters("pod2")] {
        assert_eq!(start(&node, &START, &input), address);
    }
    assert_eq!(
        std::fs::read_to_string(node.bundle.join("address")).expect("a file"),
        address
    );
    let recorded = recorded(&node);
    assert_eq!(recorded.grpc_address, "/run/containerd/containerd.sock");
    assert_eq!(recorded.ttrpc_address, "/run/containerd/containerd.sock.ttrpc");
    assert_eq!(recorded.version, None);
}

#[test]
fn a_containerd_without_parameters_is_asked_once() {
    let node = Node::new();
    let program = node.bundle.join("containerd");
    let address = format!("unix://{}", node.folders.shim_socket().display());
    let publish = |version: &str| {
        let line = format!("containerd github.com/containerd/containerd/v2 {version} abc");
        let script = format!(
            "#!/bin/sh\necho asked >> {}/asked\necho '{line}'\n",
            node.bundle.display()
        );
        std::fs::write(&program, script).expect("written");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("executable");
    };
    let asked = || {
        std::fs::read_to_string(node.bundle.join("asked"))
            .unwrap_or_default()
            .lines()
            .count()
    };
    let args = [
        &["-publish-binary", program.to_str().expect("a path")][..],
        &START,
    ]
    .concat();
    publish("2.1.4");
    for _ in 0..3 {
        assert!(start(&node, &args, b"").contains(r#""version":3"#));
    }
    assert_eq!(asked(), 1);
    publish("1.7.24~ds1");
    for _ in 0..3 {
        assert_eq!(start(&node, &args, b""), address);
    }
    assert_eq!(asked(), 2);
}

fn delete(node: &Node, id: &str) -> DeleteResponse {
    let output = node.run(
        &["-namespace", "k8s.io", "-id", id, "-bundle", "/nowhere", "delete"],
        b"",
    );
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        output.stderr.is_empty(),
        "containerd logs each such line as a warning"
    );
    DeleteResponse::parse_from_bytes(&output.stdout).expect("a DeleteResponse")
}

#[tokio::test]
async fn delete_ends_what_the_daemon_knows() {
    let node = Node::new();
    node.up().await;
    std::fs::write(node.file("known"), "").expect("written");
    let response = delete(&node, "known");
    assert_eq!((response.pid, response.exit_status), (4, 7));
    let response = delete(&node, "gone");
    assert_eq!((response.pid, response.exit_status), (0, 137));
    assert!(response.exited_at.seconds > 1_700_000_000);
    assert_eq!(
        std::fs::read_to_string(node.file("killed")).expect("a file"),
        "known 9\ngone 9\n"
    );
}

#[tokio::test]
async fn delete_succeeds_where_nobody_answers() {
    let node = Node::new();
    assert_eq!(delete(&node, "x").exit_status, 137);
    assert!(!node.folders.run.exists(), "it starts nothing");
    node.up().await;
    // The daemon never says that this one has ended.
    assert_eq!(delete(&node, "known").exit_status, 137);
}
