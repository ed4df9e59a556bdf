//! What cannot run says why in the pod's events, and harms nothing else.

use serde_json::json;
use shoal_pods::manifest::{busybox, pod};
use shoal_pods::{Space, cluster, guests, node, space};
use std::io::Write;

#[test]
fn the_reason_is_in_the_pods_events_and_the_daemon_goes_on() {
    let space = Space::new("refusals");
    space.apply(&pod("good", &guests::image("http_hello")));
    let good = space.ready("good");
    let home = space::local(space.node_of("good"));
    let daemon = node::daemon(home);

    // A section of types that holds none: well-formed on the outside.
    let garbage = tempfile(b"\0asm\x01\0\0\0\x01\x02\xff\xff");
    let cases = [
        (
            "linux",
            format!("{}/busybox:1", cluster().registry),
            vec!["exactly one .wasm file"],
        ),
        (
            "garbage",
            guests::push(garbage.path(), "garbage"),
            vec!["garbage"],
        ),
        ("unknown", guests::image("module_unknown_import"), vec!["import"]),
        (
            "ungranted",
            guests::image("http_outbound"),
            vec!["wasi:http/outgoing-handler", "shoal.dev/capabilities"],
        ),
    ];
    for (name, image, words) in &cases {
        let mut object = pod(name, image);
        object["spec"]["nodeName"] = json!(space.get("pod", "good")["spec"]["nodeName"]);
        space.apply(&object);
        space.event(name, words);
    }
    let mut object = pod("annotation", &guests::image("http_hello"));
    object["metadata"]["annotations"] = json!({"shoal.dev/capabilities": "netwrk: {}"});
    space.apply(&object);
    space.event(
        "annotation",
        &["metadata.annotations[shoal.dev/capabilities]", "netwrk"],
    );

    // The layer's bytes are not those that its digest names: containerd, which pulls, is who finds out.
    let corrupt = corrupt_image(&space);
    let mut object = pod("corrupt", &corrupt);
    object["spec"]["nodeName"] = json!(space.get("pod", "good")["spec"]["nodeName"]);
    space.apply(&object);
    space.event("corrupt", &["digest"]);

    assert_eq!(node::daemon(home), daemon, "the daemon is the one it was");
    space.apply(&busybox("client", &cluster().registry));
    space.ready("client");
    let answer = space.exec("client", &["wget", "-q", "-O", "-", &format!("http://{good}/")]);
    assert_eq!(answer.unwrap().trim(), "hello, world");
}

fn tempfile(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// An image whose layer was changed in the registry's own store after it was pushed.
fn corrupt_image(space: &Space) -> String {
    let mut wasm = std::fs::read(guests::file("http_hello")).unwrap();
    // A custom section of its own, so that the digest is no other image's.
    wasm.extend_from_slice(b"\x00\x09\x08corrupt!");
    let digest = {
        let file = tempfile(&wasm);
        let image = guests::push(file.path(), &format!("corrupt-{}", space.name));
        (image, sha256(file.path()))
    };
    let (image, digest) = digest;
    let blob = shoal_pods::node::registry_blob(&digest);
    let mut bytes = std::fs::read(&blob).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&blob, bytes).unwrap();
    image
}

fn sha256(path: &std::path::Path) -> String {
    let output = std::process::Command::new("sha256sum")
        .arg(path)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()[..64].to_owned()
}
