//! What a worker is: a process of its own for each trust domain, without any privilege.

use serde_json::json;
use shoal_pods::manifest::pod;
use shoal_pods::{Space, cluster, guests, node, space};
use std::fs;

fn status(pid: i32, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{field}:")));
    line.unwrap_or_else(|| panic!("no {field} in {text}"))
        .trim()
        .to_owned()
}

#[test]
fn a_worker_has_its_own_user_no_capabilities_no_new_privileges_and_a_filter() {
    let (one, two) = (Space::new("one"), Space::new("two"));
    let home = &cluster().nodes[0];
    for space in [&one, &two] {
        let mut object = pod("web", &guests::image("http_hello"));
        object["spec"]["nodeName"] = json!(home.name);
        space.apply(&object);
        space.ready("web");
    }
    let local = space::local(home);
    let pids = [&one, &two].map(|space| node::worker(local, &format!("ns-{}", space.name)).unwrap());
    let mut users = Vec::new();
    for pid in pids {
        let uids = status(pid, "Uid");
        let uids: Vec<_> = uids.split_ascii_whitespace().map(str::to_owned).collect();
        assert!(uids.iter().all(|uid| *uid == uids[0] && uid != "0"), "{uids:?}");
        users.push(uids[0].clone());
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(status(pid, set), "0000000000000000", "{set}");
        }
        assert_eq!(status(pid, "NoNewPrivs"), "1");
        assert_eq!(status(pid, "Seccomp"), "2");
        for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
            let text = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
            assert!(text.contains("\nSeccomp:\t2\n"), "every thread: {text}");
        }
        let root = fs::read_dir(format!("/proc/{pid}/root")).unwrap();
        let files: Vec<_> = root.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(files.len(), 1, "the one compiled file of its domain: {files:?}");
        let group = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        assert!(group.contains("shoal"), "{group}");
    }
    assert_ne!(users[0], users[1], "each trust domain has a user");
}

#[test]
fn a_pod_may_ask_for_a_worker_of_its_own() {
    let space = Space::new("trust");
    let home = &cluster().nodes[0];
    for (name, domain) in [("a", "pod"), ("b", "pod"), ("c", "node"), ("d", "namespace")] {
        let mut object = pod(name, &guests::image("http_hello"));
        object["spec"]["nodeName"] = json!(home.name);
        object["metadata"]["annotations"] = json!({"shoal.dev/trust-domain": domain});
        space.apply(&object);
        space.ready(name);
    }
    let local = space::local(home);
    let workers = node::workers(local).into_iter();
    let names: Vec<_> = workers.map(|worker| worker.domain).collect();
    // Pods of other tests may have workers of their own, too.
    let sandboxes = node::sandboxes(local, &space.name);
    let alone = sandboxes
        .iter()
        .filter(|(_, id)| names.contains(&format!("pod-{id}")));
    let alone: Vec<_> = alone.map(|(pod, _)| pod.as_str()).collect();
    assert_eq!(alone, ["a", "b"], "{names:?}");
    assert!(names.contains(&"node".to_owned()), "{names:?}");
    assert!(names.contains(&format!("ns-{}", space.name)), "{names:?}");
}
