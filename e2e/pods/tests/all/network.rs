//! What a pod's component may reach: what its annotation grants, from its pod's own network.

use serde_json::json;
use shoal_pods::manifest::{busybox, pod, service};
use shoal_pods::{Space, cluster, guests};

#[test]
fn a_component_reaches_what_is_granted_by_name_and_nothing_else() {
    let space = Space::new("outbound");
    space.apply(&pod("web", &guests::image("http_hello")));
    space.apply(&service("web"));
    space.ready("web");
    let name = format!("web.{}.svc.cluster.local", space.name);
    let mut object = pod("caller", &guests::image("http_outbound"));
    object["metadata"]["annotations"] = json!({
        "shoal.dev/capabilities":
            format!("network: {{outbound: [{{host: {name}, ports: [80], allowPrivate: true}}]}}"),
    });
    space.apply(&object);
    let caller = space.ready("caller");
    space.apply(&busybox("client", &cluster().registry));
    space.ready("client");
    let ask = |target: &str| {
        let url = format!("http://{caller}/?url=http://{target}/");
        space.exec("client", &["wget", "-q", "-O", "-", &url])
    };
    let granted = ask(&name).unwrap();
    assert!(granted.contains("hello, world"), "{granted}");
    let address = space.get("service", "web")["spec"]["clusterIP"]
        .as_str()
        .unwrap()
        .to_owned();
    for refused in [address.as_str(), "kubernetes.default.svc.cluster.local"] {
        let answer = ask(refused);
        assert!(
            !answer
                .as_ref()
                .is_ok_and(|answer| answer.contains("hello, world")),
            "{refused}: {answer:?}"
        );
    }
}
