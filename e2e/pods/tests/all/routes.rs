//! A pod of several components: one address, one port, a path for each; and values of other objects.

use serde_json::json;
use shoal_pods::manifest::{busybox, pod};
use shoal_pods::{Space, cluster, guests, until};

#[test]
fn components_of_a_pod_answer_by_path() {
    let space = Space::new("routes");
    let mut object = pod("shop", &guests::image("http_hello"));
    object["metadata"]["annotations"] = json!({
        "shoal.dev/triggers": "[{name: a, component: web, http: {}}, {name: b, component: config, http: {path: /config}}, \
                               {name: c, component: secret, http: {path: /secret}}]",
        "shoal.dev/capabilities.config": "config: [{name: greeting, valueFrom: {configMapKeyRef: {name: words, key: greeting}}}]",
        "shoal.dev/capabilities.secret": "secrets: [{name: token, secretKeyRef: {name: words, key: token}}]",
    });
    let ports = json!([{"name": "http", "containerPort": 80}]);
    let from = |kind: &str, key: &str| json!({kind: {"name": "words", "key": key}});
    let containers = object["spec"]["containers"].as_array_mut().unwrap();
    containers.push(json!({
        "name": "config", "image": guests::image("http_config"), "ports": ports,
        "env": [{"name": "shoal.dev.config-map.words..greeting", "valueFrom": from("configMapKeyRef", "greeting")}],
    }));
    containers.push(json!({
        "name": "secret", "image": guests::image("http_secret"), "ports": ports,
        "env": [{"name": "shoal.dev.secret.words..token", "valueFrom": from("secretKeyRef", "token")}],
    }));
    space.kubectl(&["create", "configmap", "words", "--from-literal=greeting=servus"]);
    space.kubectl(&[
        "create",
        "secret",
        "generic",
        "words",
        "--from-literal=token=open sesame",
    ]);
    space.apply(&object);
    let address = space.ready("shop");
    space.apply(&busybox("client", &cluster().registry));
    space.ready("client");
    for (path, answer) in [
        ("/", "hello, world"),
        ("/config?name=greeting", "servus"),
        ("/secret?name=token", "open sesame"),
        ("/configuration", "hello, world"),
    ] {
        // Whichever container's listener takes the connection.
        for _ in 0..8 {
            let url = format!("http://{address}{path}");
            let got = space.exec("client", &["wget", "-q", "-O", "-", &url]).unwrap();
            assert!(got.contains(answer), "{path}: {got}");
        }
    }
}

#[test]
fn a_pod_has_the_stores_that_it_says_and_refuses_those_that_it_cannot_have() {
    let space = Space::new("stores");
    let mut object = pod("counts", &guests::image("http_kv"));
    object["metadata"]["annotations"] = json!({
        "shoal.dev/stores": "[{name: visits, memory: {}}]",
        "shoal.dev/capabilities": "keyValue: [{name: default, store: visits}]",
    });
    space.apply(&object);
    let address = space.ready("counts");
    space.apply(&busybox("client", &cluster().registry));
    space.ready("client");
    for wanted in ["2", "4"] {
        let url = format!("http://{address}/?op=increment&key=a&delta=2");
        let got = space.exec("client", &["wget", "-q", "-O", "-", &url]).unwrap();
        assert_eq!(got.trim(), wanted);
    }
    for (store, field) in [
        (
            "{name: visits, redis: {url: 'redis://127.0.0.1'}}",
            "[0].redis.prefix",
        ),
        ("{name: visits, persistent: {volume: data}}", "[0].persistent"),
    ] {
        let name = format!("refused-{}", field.len());
        object["metadata"]["name"] = json!(name);
        object["metadata"]["annotations"]["shoal.dev/stores"] = json!(format!("[{store}]"));
        space.apply(&object);
        let field = format!("metadata.annotations[shoal.dev/stores]{field}");
        space.event(&name, &[&field, "shoal.dev/service"]);
    }
    // On a volume that the pod does not mount where the shim looks for it.
    object["metadata"]["name"] = json!("unmounted");
    object["metadata"]["annotations"]["shoal.dev/service"] = json!("counts");
    space.apply(&object);
    space.event("unmounted", &["/shoal/volumes/data", "volumeMount"]);
}

#[test]
fn a_component_that_cannot_start_ends_before_anybody_asks_it() {
    let space = Space::new("starts");
    space.apply(&pod("traps", &guests::image("hostile_trap_in_start")));
    let ended = space.terminated("traps");
    assert_eq!(ended["exitCode"], 134, "{ended}");
    let message = ended["message"].as_str().unwrap_or("");
    assert!(message.contains("unreachable"), "{ended}");
    let ready = || match space.get("pod", "traps")["status"]["containerStatuses"][0]["restartCount"].as_u64()
    {
        Some(count) if count > 0 => Ok(()),
        other => Err(format!("{other:?}")),
    };
    until("the container is started again", ready);
}
