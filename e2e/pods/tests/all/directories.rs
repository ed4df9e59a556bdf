//! Directories of volumes: what a component may do in them, whose its files are, and that there is no way out.

use serde_json::{Value, json};
use shoal_pods::manifest::pod;
use shoal_pods::space::{local, on_a_node};
use shoal_pods::{Space, guests, http, node, until};
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use tempfile::TempDir;

/// The pod's user, as the operator sets it.
const USER: u32 = 65532;

/// A folder of the pod's user on the node's disk. The nodes are on this machine.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    chown(folder.path(), Some(USER), Some(USER)).unwrap();
    symlink("/etc/passwd", folder.path().join("out")).unwrap();
    folder
}

/// A pod with `folder`, memory, and a ConfigMap.
fn with_volumes(name: &str, folder: &TempDir) -> Value {
    let mut object = pod(name, &guests::image("http_files"));
    object["metadata"]["annotations"] = json!({"shoal.dev/capabilities": "
        filesystem:
        - {volume: disk, mountPath: /disk, readOnly: false}
        - {volume: memory, mountPath: /memory, readOnly: false}
        - {volume: words, mountPath: /words}
    "});
    object["spec"]["securityContext"] = json!({"runAsUser": USER, "runAsNonRoot": true, "fsGroup": USER});
    object["spec"]["volumes"] = json!([
        {"name": "disk", "hostPath": {"path": folder.path()}},
        {"name": "memory", "emptyDir": {"medium": "Memory"}},
        {"name": "words", "configMap": {"name": "words"}},
    ]);
    let mounts = ["disk", "memory", "words"]
        .map(|name| json!({"name": name, "mountPath": format!("/shoal/volumes/{name}")}));
    object["spec"]["containers"][0]["volumeMounts"] = json!(mounts);
    object
}

/// Asks the guest to do something; what it said.
fn ask(address: SocketAddr, question: &str) -> Result<String, String> {
    let path = format!("/?{question}");
    match on_a_node(move || http::get(address, &path)) {
        Ok((200, text)) => Ok(text),
        other => Err(format!("{other:?}")),
    }
}

#[test]
fn a_component_works_in_its_directories_and_nowhere_else() {
    let space = Space::new("directories");
    space.kubectl(&["create", "configmap", "words", "--from-literal=greeting=ahoy"]);
    let folder = folder();
    space.apply(&with_volumes("files", &folder));
    let address = space.ready("files");
    let done = Ok("done\n".to_owned());
    for place in ["disk", "memory"] {
        let at = |question: &str| ask(address, &question.replace('/', &format!("/{place}/")));
        assert_eq!(at("op=write&path=/a&text=one"), done);
        assert_eq!(at("op=append&path=/a&text=two"), done);
        assert_eq!(at("op=read&path=/a").as_deref(), Ok("onetwo"));
        assert_eq!(at("op=mkdir&path=/d"), done);
        assert_eq!(at("op=rename&path=/a&to=/b"), done);
        assert_eq!(at("op=link&path=/b&to=/c"), done);
        assert!(at("op=stat&path=/c").unwrap().contains("6 bytes"));
        assert!(at("op=list&path=/").unwrap().starts_with("b\nc\nd\n"));
        assert_eq!(at("op=remove&path=/b"), done);
        assert_eq!(at("op=rmdir&path=/d"), done);
    }
    assert_eq!(
        ask(address, "op=read&path=/words/greeting").as_deref(),
        Ok("ahoy")
    );
    for refused in [
        "op=write&path=/words/new&text=x",
        "op=read&path=/disk/out",
        "op=read&path=/disk/../../../etc/passwd",
        "op=read&dir=/disk&path=../../../../etc/passwd",
        "op=read&path=/etc/passwd",
        "op=list&path=/",
    ] {
        let answer = ask(address, refused);
        assert!(
            answer.as_ref().is_err_and(|error| error.contains("403, \"error")),
            "{refused}: {answer:?}"
        );
    }
    let file = std::fs::metadata(folder.path().join("c")).unwrap();
    assert_eq!(
        (file.uid(), file.gid()),
        (USER, USER),
        "on the disk it is the pod's"
    );

    // The next worker has another number, and finds its files.
    let on = local(space.node_of("files"));
    let worker = node::worker(on, &format!("files-ns-{}", space.name)).expect("a worker of its own kind");
    node::kill(worker);
    until("an answer after the worker was killed", || {
        ask(address, "op=append&path=/disk/c&text=three")
    });
    assert_eq!(ask(address, "op=read&path=/disk/c").as_deref(), Ok("onetwothree"));
}

#[test]
fn a_volume_that_is_mounted_for_reading_alone_or_not_at_all_is_no_more_than_that() {
    let space = Space::new("mounted");
    space.kubectl(&["create", "configmap", "words", "--from-literal=greeting=ahoy"]);
    let folder = folder();
    let mut object = with_volumes("reads", &folder);
    object["spec"]["containers"][0]["volumeMounts"][0]["readOnly"] = json!(true);
    space.apply(&object);
    let address = space.ready("reads");
    assert!(ask(address, "op=write&path=/disk/a&text=x").is_err());
    assert!(!folder.path().join("a").exists());
    object["metadata"]["name"] = json!("unmounted");
    object["spec"]["containers"][0]["volumeMounts"] = json!([]);
    space.apply(&object);
    space.event("unmounted", &["/shoal/volumes/disk", "volumeMount"]);
}
