//! When kubelet removes an image, the node's cache forgets what was made of it, unless a pod runs it.

use shoal_cluster::LocalNode;
use shoal_pods::manifest::pod;
use shoal_pods::{Space, cluster, guests, space, until};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A component that no other test has, and so nobody else's files in the cache.
struct Unique {
    image: String,
    /// The digest of the component.
    hex: String,
}

impl Unique {
    fn new(space: &Space, name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("web.wasm");
        let mut bytes = std::fs::read(guests::file("http_hello")).unwrap();
        // A custom section (core specification, 5.5.3), which components have too.
        let content = format!("{}-{name}-{}", space.name, std::process::id());
        let section = [&[1, b'x'], content.as_bytes()].concat();
        bytes.extend([0, u8::try_from(section.len()).unwrap()]);
        bytes.extend(section);
        std::fs::write(&file, bytes).unwrap();
        let sum = Command::new("sha256sum").arg(&file).output().unwrap();
        let sum = String::from_utf8(sum.stdout).unwrap();
        let hex = sum.split(' ').next().unwrap().to_owned();
        assert_eq!(hex.len(), 64, "{sum}");
        let image = guests::push(&file, &format!("{}-{name}", space.name));
        Self { image, hex }
    }

    /// The files in the cache that were made of it.
    fn files(&self, node: &LocalNode) -> Vec<PathBuf> {
        let mut files = Vec::new();
        named(&node.folder.join("shoal/cache"), &self.hex, &mut files);
        files
    }

    /// Removes it from the node's containerd, under all of its names, as kubelet does.
    fn remove(&self, node: &LocalNode) {
        let listed = ctr(node, &["images", "ls"]);
        let rows: Vec<Vec<&str>> = listed.lines().map(|it| it.split_whitespace().collect()).collect();
        let row = rows.iter().find(|row| row[0] == self.image);
        let digest = row.unwrap_or_else(|| panic!("no {} in {listed}", self.image))[2];
        let names = rows.iter().filter(|row| row[2] == digest).map(|row| row[0]);
        let names: Vec<_> = names.collect();
        ctr(node, &[&["images", "rm"], names.as_slice()].concat());
    }
}

fn named(folder: &Path, hex: &str, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|it| it.is_dir()) {
            named(&path, hex, into);
        } else if entry.file_name().to_string_lossy().contains(hex) {
            into.push(path);
        }
    }
}

/// containerd's own client, which lies beside it.
fn ctr(node: &LocalNode, args: &[&str]) -> String {
    let containerd = std::fs::read_link(format!("/proc/{}/exe", node.pid("containerd").unwrap())).unwrap();
    let output = Command::new(containerd.with_file_name("ctr"))
        .arg("--address")
        .arg(&node.cri)
        .args(["--namespace", "k8s.io"])
        .args(args)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_was_made_of_an_image_goes_with_it_unless_a_pod_runs_it() {
    let space = Space::new("images");
    let node = &cluster().nodes[0];
    let run = |name: &str| {
        let unique = Unique::new(&space, name);
        let mut object = pod(name, &unique.image);
        object["spec"]["nodeName"] = node.name.clone().into();
        space.apply(&object);
        space.ready(name);
        unique
    };
    let delete = |name: &str| space.kubectl(&["delete", "pod", name, "--grace-period=1"]);
    let local = space::local(node);
    let (gone, runs) = (run("gone"), run("runs"));
    delete("gone");
    for unique in [&gone, &runs] {
        let files = unique.files(local);
        assert!(files.len() > 1, "its bytes and its code: {files:?}");
    }
    let vanish = |unique: &Unique| {
        until("its files are gone", || match unique.files(local).as_slice() {
            [] => Ok(()),
            files => Err(format!("{files:?}")),
        });
    };
    // In this order: by the time that the second is gone, the first was looked at.
    runs.remove(local);
    gone.remove(local);
    vanish(&gone);
    assert!(runs.files(local).len() > 1, "a pod runs it");
    delete("runs");
    // The cache is looked at when an image goes, whichever it is.
    let last = run("last");
    delete("last");
    last.remove(local);
    vanish(&last);
    vanish(&runs);
}
