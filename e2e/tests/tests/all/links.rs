//! Components that are linked: within a service, as one; what each has is its own.

use serde_json::{Value, json};
use shoal_e2e::{Client, Shoal, Up, component, get, service};

const CALLS: &str = "test:links/calls";

fn linked(to: &str) -> Value {
    json!([{"import": CALLS, "component": to}])
}

/// `web` and the component `lib` that it is linked to.
fn shop(guest: &str, web: Value, lib: Value) -> String {
    shop_with(guest, web, lib, json!({}))
}

/// The same, with further fields of the service.
fn shop_with(guest: &str, web: Value, lib: Value, spec: Value) -> String {
    let mut fields = json!({"links": linked("lib"), "env": [{"name": "SECRET", "value": "of-the-caller"}]});
    merge(&mut fields, web);
    let web = component("web", "link_web", fields);
    service("shop", &[("/", web), ("", component("lib", guest, lib))], spec)
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}

/// The component that says a text, or that it is said of.
async fn speaker(shoal: &Shoal, service: &str, text: &str) -> String {
    let said = shoal.says(service, text).await;
    let events = [shoal.log.events("log"), shoal.log.events("message")].concat();
    let found = events
        .iter()
        .find(|it| it["line"] == *said || it["message"] == *said);
    found.expect("it was just there")["component"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn values_of_all_kinds_go_to_a_linked_component_and_back() {
    let shoal = Shoal::up(&shop("link_provider", json!({}), json!({}))).await;
    let mut client = Client::h1(shoal.address()).await;
    for (ask, answer) in [
        ("/?op=add&a=40&b=2", "42\n"),
        ("/?op=text&size=1024", "1024\n"),
        ("/?op=text&size=0", "0\n"),
        ("/?op=bytes&size=1048576", "1048576\n"),
        ("/?op=find&what=Grace", "Grace is 85\n"),
        ("/?op=find&what=Nobody", "unknown\n"),
        ("/?op=must&what=say:hello", "hello\n"),
        ("/?op=add&times=1000", "3\n"),
    ] {
        client.get(ask).await.is(200, answer);
    }
    client.get("/?op=attempt&what=no").await.is(502, "no\n");
}

#[tokio::test]
async fn a_chain_is_one_too_and_each_component_has_its_own_variables_and_log() {
    let env = |value: &str| json!([{"name": "WHO", "value": value}]);
    let web = component(
        "web",
        "link_web",
        json!({"links": linked("middle"), "env": env("web")}),
    );
    let middle = component(
        "middle",
        "link_middle",
        json!({"links": linked("lib"), "env": env("middle")}),
    );
    let lib = component("lib", "link_provider", json!({"env": env("lib")}));
    let manifest = service("chain", &[("", lib), ("/", web), ("", middle)], json!({}));
    let shoal = Shoal::up(&manifest).await;
    let mut client = Client::h1(shoal.address()).await;
    client.get("/?op=add&a=1&b=1").await.is(200, "3\n");
    client.get("/?op=find&what=Ada").await.is(200, "Ada is 37\n");
    client.get("/?op=env").await.is(200, "[(\"WHO\", \"web\")]\n");
    client
        .get("/?op=must&what=env")
        .await
        .is(200, "[(\"WHO\", \"lib\")]\n");
    client
        .get("/?op=attempt&what=env-of-middle")
        .await
        .is(200, "[(\"WHO\", \"middle\")]\n");
    client
        .get("/?op=must&what=log:from-within")
        .await
        .is(200, "logged\n");
    assert_eq!(speaker(&shoal, "chain", "from-within").await, "lib");
}

#[tokio::test]
async fn files_are_seen_by_the_component_that_was_granted_them() {
    let volume = json!([{"volume": "data", "mountPath": "/data", "readOnly": true}]);
    let granted = json!({"capabilities": {"filesystem": volume}});
    for (web, lib, status) in [(json!({}), granted.clone(), 200), (granted, json!({}), 502)] {
        let volumes = json!({"volumes": [{"name": "data", "configMap": {"name": "words"}}]});
        let manifest = shop_with("link_provider", web, lib, volumes)
            + &shoal_e2e::manifest::config_map("words", json!({"secret": "treasure"}));
        let shoal = Shoal::up(&manifest).await;
        let answer = get(shoal.address(), "/?op=attempt&what=file:/data/secret").await;
        assert_eq!(
            (answer.status, answer.text().contains("treasure")),
            (status, status == 200)
        );
    }
}

#[tokio::test]
async fn a_middleware_hands_requests_on_and_each_has_its_own_files_and_clocks() {
    let grant = |volume: &str| json!([{"volume": volume, "mountPath": "/data"}]);
    let gate = json!({
        "links": [{"import": "wasi:http/incoming-handler", "component": "lib"}],
        "capabilities": {"filesystem": grant("gate")},
    });
    let volume = |name: &str| json!({"name": name, "configMap": {"name": name}});
    let volumes = json!({"volumes": [volume("gate"), volume("handler")]});
    let words =
        |name: &str| shoal_e2e::manifest::config_map(name, json!({"word": format!("of the {name}\n")}));
    let up = async |guest: &str, grants: Value| {
        let lib = component("lib", guest, json!({"capabilities": grants}));
        let parts = [("/", component("web", "link_gate", gate.clone())), ("", lib)];
        let manifest = service("shop", &parts, volumes.clone()) + &words("gate") + &words("handler");
        Shoal::up(&manifest).await
    };
    let files = up("http_files", json!({"filesystem": grant("handler")})).await;
    let answer = get(files.address(), "/?op=read&path=/data/word").await;
    answer.is(200, "of the handler\n");
    let clocks = up("http_clock", json!({"clocks": {"resolution": "20ms"}})).await;
    let answer = get(clocks.address(), "/?steps=1").await;
    answer.has(200, "wall: resolution 20000000 ns");
}

#[tokio::test]
async fn what_a_linked_component_spends_counts_for_the_whole_and_ends_its_request_alone() {
    let web = json!({"limits": {"cpuTime": "200ms", "requestTimeout": "5s", "memory": "32Mi"}});
    let shoal = Shoal::up(&shop("link_provider", web, json!({}))).await;
    let mut client = Client::h1(shoal.address()).await;
    client.get("/?op=must&what=trap").await.has(500, "trapped");
    client.get("/?op=must&what=spin").await.has(500, "limits.cpuTime");
    client
        .get("/?op=must&what=hang")
        .await
        .has(504, "limits.requestTimeout");
    client
        .get("/?op=must&what=eat:100000000")
        .await
        .has(500, "limits.memory");
    client
        .get("/?op=must&what=flood:100000000")
        .await
        .has(500, "limits.memory");
    client.get("/?op=add").await.is(200, "3\n");
}

#[test]
fn what_a_linked_component_was_not_granted_is_refused_by_its_name() {
    let ended = Up::new()
        .manifest(&shop("link_malice", json!({}), json!({})))
        .fails();
    ended.failed(
        1,
        &[
            "component lib can't run here: grant it",
            "wasi:keyvalue/store",
            "wasi:sockets/network@0.2",
            "spec.components[1].capabilities.network",
        ],
    );
    // What its caller has is no help.
    let web = json!({"capabilities": {
        "keyValue": [{"name": "default", "store": "s"}],
        "network": {"outbound": [{"host": "127.0.0.1", "ports": [80]}]},
    }});
    let stores = json!({"stores": [{"name": "s", "memory": {}}]});
    let manifest = shop_with("link_malice", web, json!({}), stores);
    Up::new()
        .manifest(&manifest)
        .fails()
        .failed(1, &["component lib can't run here: grant it"]);
}

/// A dependency that has grants of its own tries what its caller has: it gets none of it, and the log says what it tried.
#[tokio::test]
async fn a_malicious_dependency_gets_nothing_and_the_log_says_what_it_tried() {
    let server = shoal_e2e::outside::Outside::http().await;
    let port = server.port();
    let web = json!({"capabilities": {
        "keyValue": [{"name": "default", "store": "callers"}],
        "network": {"outbound": [{"host": "127.0.0.1", "ports": [port]}]},
        "filesystem": [{"volume": "data", "mountPath": "/data"}],
    }});
    let lib = json!({"capabilities": {
        "keyValue": [{"name": "own", "store": "libs"}],
        "network": {"outbound": [{"host": "192.0.2.1", "ports": [443]}]},
    }});
    let spec = json!({
        "stores": [{"name": "callers", "memory": {}}, {"name": "libs", "memory": {}}],
        "volumes": [{"name": "data", "configMap": {"name": "words"}}],
    });
    let manifest = shop_with("link_malice", web, lib, spec)
        + &shoal_e2e::manifest::config_map("words", json!({"secret": "treasure"}));
    let shoal = Shoal::up(&manifest).await;
    let mut client = Client::h1(shoal.address()).await;
    client.get("/?op=env").await.has(200, "of-the-caller");
    for (attempt, answer) in [
        ("environment", "held: nothing"),
        ("files", "held: nothing"),
        ("store:default", "held: Error::NoSuchStore"),
        ("store:callers", "held: Error::NoSuchStore"),
        (&format!("network:127.0.0.1:{port}"), "held: PermissionDenied"),
        // "of-the-caller", which no part of the dependency holds that way round.
        ("memory:rellac-eht-fo", "held: "),
    ] {
        let ask = format!("/?op=attempt&what={attempt}");
        client.get(&ask).await.has(200, answer);
    }
    for said in [
        "asked for environment variables, and has none",
        "asked for directories, and has none",
        "keyValue: ",
        "network: 127.0.0.1",
    ] {
        assert_eq!(speaker(&shoal, "shop", said).await, "lib", "{said}");
    }
}

/// One that may have sockets and connect to nothing leaves a trace too, though there is no address to be refused.
#[tokio::test]
async fn a_dependency_without_a_destination_leaves_a_trace_of_its_socket() {
    let spec = json!({"stores": [{"name": "libs", "memory": {}}]});
    let lib = json!({"capabilities": {
        "keyValue": [{"name": "own", "store": "libs"}],
        "network": {"outbound": []},
    }});
    let shoal = Shoal::up(&shop_with("link_malice", json!({}), lib, spec)).await;
    get(shoal.address(), "/?op=attempt&what=network:127.0.0.1:9")
        .await
        .has(200, "held: PermissionDenied");
    let said = "network: TCP is not granted to any address";
    assert_eq!(speaker(&shoal, "shop", said).await, "lib");
}

/// A dependency answers with a pointer that would lie in its caller's memory, were there one for both.
#[tokio::test]
async fn a_pointer_means_nothing_in_another_components_memory() {
    let links = json!([{"import": "test:links/wild", "component": "lib"}]);
    let web = component("web", "link_wild_web", json!({"links": links}));
    let lib = component("lib", "link_wild_pointer", json!({}));
    let shoal = Shoal::up(&service("wild", &[("/", web), ("", lib)], json!({}))).await;
    get(shoal.address(), "/secret").await.has(500, "trapped");
    shoal.says("wild", "out-of-bounds").await;
}

#[test]
fn links_that_cannot_be_are_told_before_anything_runs() {
    let web = |links: Value| component("web", "link_web", json!({"links": links}));
    let lib = |guest: &str| component("lib", guest, json!({}));
    let fails = |components: &[(&str, Value)], says: &[&str]| {
        Up::new()
            .manifest(&service("shop", components, json!({})))
            .fails()
            .failed(1, says);
    };
    fails(
        &[("/", web(linked("lib"))), ("", lib("link_wrong_types"))],
        &[
            "component web: links: its import test:links/calls@0.2.1 does not fit",
            "add: func(a: u32, b: u32) -> u32",
            "add: func(a: u64, b: u64) -> u64",
            "parameter a: u32 and u64",
            "nothing of that name",
        ],
    );
    fails(
        &[("/", web(linked("lib"))), ("", lib("link_other_version"))],
        &[
            "test:links/calls@0.2.1",
            "test:links/calls@0.3.0",
            "not compatible",
        ],
    );
    fails(
        &[("/", web(linked("lib"))), ("", lib("http_hello"))],
        &["nothing of the package test:links", "wasi:http/incoming-handler"],
    );
    fails(
        &[
            (
                "/",
                web(json!([{"import": "test:links/calsl", "component": "lib"}])),
            ),
            ("", lib("link_provider")),
        ],
        &[
            "does not import test:links/calsl",
            "it imports test:links/calls@0.2.1",
        ],
    );
    fails(
        &[("/", web(linked("lib"))), ("", lib("module_hello"))],
        &["component lib is a core module"],
    );
    let middle = |name: &str, to: &str| component(name, "link_middle", json!({"links": linked(to)}));
    fails(
        &[
            ("/", web(linked("a"))),
            ("", middle("a", "b")),
            ("", middle("b", "c")),
            ("", middle("c", "a")),
        ],
        &["a → b → c → a"],
    );
    fails(
        &[("/", component("web", "link_web", json!({})))],
        &[
            "link what exports test:links/calls@0.2.1, or list it as unused\n",
            "links: [{import:",
        ],
    );
}

#[test]
fn two_hundred_components_in_one_graph_are_refused_and_twenty_run() {
    let chain = |length: usize| {
        let mut components = vec![("/", component("c0", "link_web", json!({"links": linked("c1")})))];
        for at in 1..length {
            let name = format!("c{at}");
            components.push((
                "",
                match at + 1 == length {
                    true => component(&name, "link_provider", json!({})),
                    false => component(
                        &name,
                        "link_middle",
                        json!({"links": linked(&format!("c{}", at + 1))}),
                    ),
                },
            ));
        }
        service("chain", &components, json!({}))
    };
    let ended = Up::new().manifest(&chain(200)).fails();
    ended.failed(2, &["spec.components", "64"]);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let shoal = Shoal::up(&chain(20)).await;
        get(shoal.address(), "/?op=add&a=1&b=1").await.is(200, "20\n");
    });
}
