//! Many pods are many rows, not many processes.

use serde_json::json;
use shoal_pods::manifest::deployment;
use shoal_pods::node::processes;
use shoal_pods::{Space, cluster, exclusive, guests, http, space};
use std::collections::BTreeMap;
use std::net::SocketAddr;

fn counted() -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for process in processes() {
        // The kernel's own threads have no program.
        if std::fs::read_link(format!("/proc/{}/exe", process.pid)).is_ok() {
            *counted.entry(process.name).or_insert(0) += 1;
        }
    }
    counted
}

/// Runs this many pods on one node until all have answered, and returns how many processes more there were.
fn run(replicas: u32) -> BTreeMap<String, i64> {
    let space = Space::new("many");
    let home = &cluster().nodes[0];
    // The keeper and the daemon are the node's, whatever runs.
    let mut first = shoal_pods::manifest::pod("first", &guests::image("http_hello"));
    first["spec"]["nodeName"] = json!(home.name);
    space.apply(&first);
    space.ready("first");
    let before = counted();
    let mut object = deployment("many", &guests::image("http_hello"), replicas);
    object["spec"]["template"]["spec"]["nodeName"] = json!(home.name);
    object["spec"]["template"]["spec"]["containers"][0]
        .as_object_mut()
        .unwrap()
        .remove("readinessProbe");
    object["spec"]["template"]["spec"]
        .as_object_mut()
        .unwrap()
        .remove("topologySpreadConstraints");
    space.apply(&object);
    space.kubectl(&["rollout", "status", "deployment/many", "--timeout=600s"]);
    let pods = space.list(&["pods", "-l", "app=many"]);
    let addresses: Vec<SocketAddr> = pods["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pod| SocketAddr::new(pod["status"]["podIP"].as_str().unwrap().parse().unwrap(), 80))
        .collect();
    assert_eq!(addresses.len(), replicas as usize);
    let netns = space::local(home).netns.clone();
    std::thread::spawn(move || {
        http::enter(&netns);
        for address in addresses {
            let (status, body) = http::get(address, "/").unwrap_or_else(|error| panic!("{address}: {error}"));
            assert_eq!((status, body.trim()), (200, "hello, world"), "{address}");
        }
    })
    .join()
    .unwrap();
    let after = counted();
    let more = after.iter().map(|(name, count)| {
        let before = before.get(name).copied().unwrap_or(0);
        (name.clone(), *count as i64 - before as i64)
    });
    more.filter(|(_, more)| *more != 0).collect()
}

#[test]
fn five_hundred_pods_of_a_node_answer_and_are_not_one_process_more() {
    let _alone = exclusive();
    let more = run(500);
    // What pods run in, by exact names: tests of the same programs may run on this machine, as `shoald-HASH`.
    let of_pods = ["shoald", "shoal-worker", "containerd-shim", "pause", "runc"];
    let ours: Vec<_> = more
        .iter()
        .filter(|(name, more)| **more > 0 && of_pods.contains(&name.as_str()))
        .collect();
    println!("processes more than before 500 pods: {more:?}");
    assert!(ours.is_empty(), "{ours:?}");
}
