//! kill -9 of each part under load: who may miss a request, and who may not.

use serde_json::json;
use shoal_cluster::LocalNode;
use shoal_pods::manifest::pod;
use shoal_pods::{Load, Space, cluster, exclusive, guests, node, space, until};
use std::net::SocketAddr;
use std::time::Duration;

/// A pod on the first node that answers; its address.
fn serving(space: &Space) -> SocketAddr {
    let mut object = pod("web", &guests::image("http_hello"));
    object["spec"]["nodeName"] = json!(cluster().nodes[0].name);
    space.apply(&object);
    space.ready("web")
}

fn home() -> &'static LocalNode {
    space::local(&cluster().nodes[0])
}

/// Load on a pod while something happens, and for a while after.
fn under_load(address: SocketAddr, event: impl FnOnce()) -> shoal_pods::load::Counted {
    let load = Load::start(&home().netns, address);
    std::thread::sleep(Duration::from_secs(1));
    event();
    std::thread::sleep(Duration::from_secs(4));
    load.stop()
}

#[test]
fn a_worker_that_dies_takes_its_own_trust_domain_alone_and_comes_back() {
    let (victim, neighbour) = (Space::new("victim"), Space::new("neighbour"));
    serving(&victim);
    let address = serving(&neighbour);
    let counted = under_load(address, || {
        node::kill(node::worker(home(), &format!("ns-{}", victim.name)).unwrap());
    });
    counted.none_missed("another trust domain's pod");
    let state = victim.until("pod", "web", |pod| {
        let status = &pod["status"]["containerStatuses"][0];
        (status["restartCount"].as_u64()? >= 1 && status["ready"] == true)
            .then(|| status["lastState"]["terminated"].clone())
    });
    assert_eq!(state["exitCode"], 139, "{state}");
    assert!(
        state["message"].as_str().unwrap_or_default().contains("worker"),
        "{state}"
    );
}

#[test]
fn the_daemon_dies_and_no_request_is_missed() {
    let _alone = exclusive();
    let space = Space::new("daemon");
    let address = serving(&space);
    let before = node::daemon(home());
    let counted = under_load(address, || node::kill(before));
    counted.none_missed("while the daemon was killed");
    let now = until("another daemon", || {
        let now = node::daemon(home());
        (now != before).then_some(now).ok_or_else(|| "none".to_owned())
    });
    assert_ne!(now, before);
    let restarts = space.get("pod", "web")["status"]["containerStatuses"][0]["restartCount"].clone();
    assert_eq!(restarts, 0);
    // It works: a second pod starts, the first one ends.
    let mut object = pod("after", &guests::image("http_hello"));
    object["spec"]["nodeName"] = json!(cluster().nodes[0].name);
    space.apply(&object);
    space.ready("after");
    space.kubectl(&["delete", "pod", "web", "--timeout=60s"]);
}

#[test]
fn containerd_and_kubelet_die_and_no_request_is_missed() {
    let _alone = exclusive();
    for program in ["containerd", "kubelet"] {
        let space = Space::new(program);
        let address = serving(&space);
        let counted = under_load(address, || {
            node::kill(home().pid(program).unwrap());
            node::restart();
        });
        counted.none_missed(&format!("while {program} was killed"));
        let mut object = pod("after", &guests::image("http_hello"));
        object["spec"]["nodeName"] = json!(cluster().nodes[0].name);
        space.apply(&object);
        space.ready("after");
        let restarts = space.get("pod", "web")["status"]["containerStatuses"][0]["restartCount"].clone();
        assert_eq!(restarts, 0, "{program}");
        space.kubectl(&["delete", "pod", "web", "--timeout=60s"]);
    }
}
