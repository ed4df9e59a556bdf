//! What stands behind a pod's stores: memory, a file on a volume, a Redis. And what is refused.

use serde_json::{Value, json};
use shoal_conformance::stores::conforms;
use shoal_pods::manifest::{busybox, pod};
use shoal_pods::space::{local, on_a_node, redis};
use shoal_pods::{Space, cluster, guests, http, node, until};

/// A pod with the guests of the suite, on one store.
fn keeps(name: &str, store: &str) -> Value {
    let mut object = pod(name, &guests::image("http_kv"));
    let ports = object["spec"]["containers"][0]["ports"].clone();
    let greeter = json!({"name": "greeter", "image": guests::image("service_greeter"), "ports": ports});
    object["spec"]["containers"].as_array_mut().unwrap().push(greeter);
    object["metadata"]["annotations"] = json!({
        "shoal.dev/service": name,
        "shoal.dev/triggers": "[{name: a, component: web, http: {}}, {name: b, component: greeter, http: {path: /greet}}]",
        "shoal.dev/stores": format!("[{{name: data, {store}}}]"),
        "shoal.dev/capabilities.web": "keyValue: [{name: default, store: data}, {name: ro, store: data, readOnly: true}]",
        "shoal.dev/capabilities.greeter": "keyValue: [{name: default, store: data}]",
    });
    object
}

/// Gives all containers a variable, or a mount.
fn with(object: &mut Value, field: &str, entry: &Value) {
    for container in object["spec"]["containers"].as_array_mut().unwrap() {
        container[field] = json!([entry]);
    }
}

/// A pod whose store is a file on a volume.
fn in_a_file(name: &str) -> Value {
    let mut object = keeps(name, "persistent: {volume: disk}");
    object["spec"]["volumes"] = json!([{"name": "disk", "emptyDir": {}}]);
    with(
        &mut object,
        "volumeMounts",
        &json!({"name": "disk", "mountPath": "/shoal/volumes/disk"}),
    );
    object
}

#[test]
fn stores_of_all_kinds_conform_in_pods() {
    let space = Space::new("conform");
    let redis = redis();
    let url = format!("--from-literal=url={}", redis.url());
    space.kubectl(&["create", "secret", "generic", "cache", &url]);
    let mut in_redis = keeps(
        "redis",
        "redis: {urlFrom: {secretKeyRef: {name: cache, key: url}}}",
    );
    let from = json!({"secretKeyRef": {"name": "cache", "key": "url"}});
    with(
        &mut in_redis,
        "env",
        &json!({"name": "shoal.dev.secret.cache..url", "valueFrom": from}),
    );
    for (kind, object) in [
        ("memory", keeps("memory", "memory: {}")),
        ("persistent", in_a_file("persistent")),
        ("redis", in_redis),
    ] {
        space.apply(&object);
        let address = space.ready(kind);
        on_a_node(move || conforms(kind, address));
    }
    let key = format!("{}/redis/data/n", space.name);
    assert_eq!(redis.say(&["GET", &key]), "200");
}

#[test]
fn what_was_acknowledged_is_there_when_the_worker_was_killed() {
    let space = Space::new("killed");
    let mut object = in_a_file("counts");
    object["metadata"]["annotations"]["shoal.dev/trust-domain"] = json!("keeps");
    space.apply(&object);
    let address = space.ready("counts");
    let increment = move || {
        let answer = on_a_node(move || http::get(address, "/?op=increment&key=n&delta=1"));
        match answer {
            Ok((200, text)) => Ok(text.trim().parse::<u32>().unwrap()),
            other => Err(format!("{other:?}")),
        }
    };
    let on = local(space.node_of("counts"));
    let domain = format!("ns-{}.keeps", space.name);
    let mut acknowledged = 0;
    for _ in 0..3 {
        for _ in 0..20 {
            acknowledged = increment().unwrap();
        }
        let worker = node::worker(on, &domain).expect("a worker");
        node::kill(worker);
        let next = until("an answer after the worker was killed", increment);
        // A call that was cut off may have counted and not been answered.
        assert!(next > acknowledged, "{next} after {acknowledged}");
        acknowledged = next;
    }
    assert!(acknowledged >= 63);
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
