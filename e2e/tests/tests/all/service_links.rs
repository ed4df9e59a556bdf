//! Services that are linked to each other, and that ask each other by name: each under its own limits and grants, in one process.

use serde_json::{Value, json};
use shoal_e2e::manifest::single;
use shoal_e2e::{Client, Shoal, Up, component, get, service};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const CALLS: &str = "test:links/calls";

fn linked(to: &str) -> Value {
    json!([{"import": CALLS, "service": to}])
}

/// `shop`, which is linked to `audit`.
fn shop(fields: Value) -> String {
    let mut web = json!({"links": linked("audit"), "env": [{"name": "WHO", "value": "shop"}]});
    if let (Value::Object(web), Value::Object(fields)) = (&mut web, fields) {
        web.extend(fields);
    }
    single("shop", "link_web", web)
}

/// A service of one component that no trigger calls.
fn audit(guest: &str, fields: Value) -> String {
    service("audit", &[("", component("log", guest, fields))], json!({}))
}

/// Both, started.
async fn both(shop_fields: Value, audit_fields: Value) -> Shoal {
    let (shop, audit) = (shop(shop_fields), audit("link_provider", audit_fields));
    Up::new().manifest(&shop).manifest(&audit).start().await
}

#[tokio::test]
async fn values_of_all_kinds_go_to_another_service_and_back() {
    let env = json!([{"name": "WHO", "value": "audit"}]);
    let shoal = both(json!({}), json!({"env": env})).await;
    let mut client = Client::h1(shoal.at("shop")).await;
    for (ask, answer) in [
        ("/?op=add&a=40&b=2", "42\n"),
        ("/?op=text&size=1024", "1024\n"),
        ("/?op=bytes&size=1048576", "1048576\n"),
        ("/?op=find&what=Grace", "Grace is 85\n"),
        ("/?op=find&what=Nobody", "unknown\n"),
        ("/?op=must&what=env", "[(\"WHO\", \"audit\")]\n"),
        ("/?op=env", "[(\"WHO\", \"shop\")]\n"),
        ("/?op=add&times=500", "3\n"),
    ] {
        client.get(ask).await.is(200, answer);
    }
    client.get("/?op=attempt&what=no").await.is(502, "no\n");
}

#[tokio::test]
async fn what_goes_wrong_there_is_an_error_here_and_ends_no_other_request() {
    let limits = json!({"limits": {
        "cpuTime": "200ms", "memory": "32Mi", "requestTimeout": "1s", "responseBody": "1Mi", "requestBody": "1Mi",
    }});
    let shoal = both(json!({}), limits).await;
    let mut client = Client::h1(shoal.at("shop")).await;
    for (what, why) in [
        ("trap", "the component trapped; its log says where"),
        ("spin", "limits.cpuTime"),
        ("hang", "limits.requestTimeout: no answer within 1s"),
        ("eat:100000000", "limits.memory"),
        ("flood:2000000", "limits.responseBody"),
        ("exit", "the component ended; its log says why"),
    ] {
        // Where its type has a place for an error, the caller goes on.
        let ask = format!("/?op=attempt&what={what}");
        let answer = client.get(&ask).await;
        answer.has(502, why);
        answer.has(502, "service audit: test:links/calls@0.2.1#attempt: ");
        // Where it has none, the caller's request ends, and the log names the callee and the reason.
        client
            .get(&format!("/?op=must&what={what}"))
            .await
            .has(500, "its log says why");
        shoal
            .says("shop", &format!("test:links/calls@0.2.1#must: {why}"))
            .await;
        client.get("/?op=add").await.is(200, "3\n");
    }
    client
        .get("/?op=bytes&size=2000000")
        .await
        .has(500, "its log says why");
    shoal.says("shop", "limits.requestBody").await;
    shoal.says("audit", "as it was told").await;
}

#[tokio::test]
async fn a_hanging_callee_ends_at_its_callers_deadline() {
    let shoal = both(json!({"limits": {"requestTimeout": "500ms"}}), json!({})).await;
    get(shoal.at("shop"), "/?op=must&what=hang")
        .await
        .has(504, "limits.requestTimeout: no answer within 500ms");
    shoal.says("audit", "waits no longer").await;
    get(shoal.at("shop"), "/?op=add").await.is(200, "3\n");
}

#[tokio::test]
async fn a_callee_that_answers_gigabytes_is_bounded() {
    let shoal = both(
        json!({"limits": {"requestTimeout": "60s", "cpuTime": "30s"}}),
        json!({"limits": {"memory": "2Gi", "requestTimeout": "60s", "cpuTime": "30s"}}),
    )
    .await;
    let before = shoal.most_memory();
    get(shoal.at("shop"), "/?op=attempt&what=flood:900000000")
        .await
        .has(502, "128 MiB of the host's memory");
    // What the callee itself has is its own; its answer was not copied.
    let grown = (shoal.most_memory() - before) / 1024;
    assert!(grown < 900 + 300, "{grown} MiB");
    get(shoal.at("shop"), "/?op=add").await.is(200, "3\n");
}

#[tokio::test]
async fn services_that_call_each_other_come_to_an_end() {
    let ring = |name: &str, to: &str| {
        let it = component("log", "link_middle", json!({"links": linked(to)}));
        service(name, &[("", it)], json!({}))
    };
    let shoal = Up::new()
        .manifest(&shop(json!({})))
        .manifest(&ring("audit", "other"))
        .manifest(&ring("other", "audit"))
        .start()
        .await;
    get(shoal.at("shop"), "/?op=attempt&what=anything")
        .await
        .has(502, "more than 16 deep");
    get(shoal.at("shop"), "/?op=none").await.is(200, "none\n");
}

#[tokio::test]
async fn a_component_within_another_may_be_linked_to_a_service_too() {
    let web = component(
        "web",
        "link_web",
        json!({"links": [{"import": CALLS, "component": "middle"}]}),
    );
    let middle = component("middle", "link_middle", json!({"links": linked("audit")}));
    let shop = service("shop", &[("/", web), ("", middle)], json!({}));
    let shoal = Up::new()
        .manifest(&shop)
        .manifest(&audit("link_provider", json!({})))
        .start()
        .await;
    get(shoal.at("shop"), "/?op=add&a=1&b=1").await.is(200, "3\n");
    get(shoal.at("shop"), "/?op=find&what=Ada")
        .await
        .is(200, "Ada is 37\n");
}

#[test]
fn links_that_lead_nowhere_or_cannot_cross_are_told_before_anything_runs() {
    let fails = |manifests: &[&str], says: &[&str]| {
        let up = manifests.iter().fold(Up::new(), |up, it| up.manifest(it));
        up.fails().failed(1, says);
    };
    let shop = shop(json!({}));
    fails(
        &[&shop],
        &["shop/web: links: test:links/calls@0.2.1 is linked to the service audit, which does not run here"],
    );
    fails(
        &[&shop, &audit("link_other_version", json!({}))],
        &["does not export it; it exports test:links/calls@0.3.0"],
    );
    fails(
        &[&shop, &audit("link_wrong_types", json!({}))],
        &[
            "with other types",
            "imported  add: func(a: u32, b: u32) -> u32",
            "exported  add: func(a: u64, b: u64) -> u64",
            "nothing of that name",
        ],
    );
    let both = [
        ("", component("one", "link_provider", json!({}))),
        ("", component("two", "link_provider", json!({}))),
    ];
    fails(
        &[&shop, &service("audit", &both, json!({}))],
        &["more than one of its components exports it: one, two"],
    );
    let handles = json!({"links": [{"import": "test:links/handles", "service": "audit"}]});
    let handles = service(
        "files",
        &[("", component("web", "link_resource", handles))],
        json!({}),
    );
    fails(
        &[&handles, &audit("link_provider", json!({}))],
        &[
            "component web: links: test:links/handles@0.1.0 can't be linked to the service audit",
            "open: the result: ok: a resource can't go from one service to another",
        ],
    );
}

/// Asks until the answer holds a text.
async fn becomes(at: SocketAddr, ask: &str, text: &str) {
    let limit = Instant::now() + Duration::from_secs(20);
    loop {
        let answer = get(at, ask).await.text();
        if answer.contains(text) {
            return;
        }
        assert!(Instant::now() < limit, "{ask} still says {answer}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_link_follows_the_service_that_it_leads_to() {
    let folder = tempfile::tempdir().unwrap();
    let write = |who: Option<&str>| {
        let audit = who.map(|who| audit("link_provider", json!({"env": [{"name": "WHO", "value": who}]})));
        let text = shop(json!({})) + &audit.unwrap_or_default();
        std::fs::write(folder.path().join("shoal.yaml"), text).unwrap();
    };
    write(Some("first"));
    let shoal = Up::new()
        .file(&folder.path().join("shoal.yaml"), 2)
        .arg("--watch")
        .start()
        .await;
    let at = shoal.at("shop");
    get(at, "/?op=must&what=env").await.has(200, "first");
    write(Some("second"));
    becomes(at, "/?op=must&what=env", "second").await;
    // Without it, calls fail and say why; the service itself goes on.
    write(None);
    becomes(at, "/?op=attempt&what=env", "no service of this name runs here").await;
    get(at, "/?op=none").await.is(200, "none\n");
    write(Some("third"));
    becomes(at, "/?op=must&what=env", "third").await;
}

#[tokio::test]
async fn a_request_to_a_services_own_name_is_answered_here() {
    let names = [
        "back",
        "back.default",
        "back.default.svc",
        "back.default.svc.cluster.local",
    ];
    let rules: Vec<_> = names
        .iter()
        .map(|name| json!({"host": name, "ports": [80]}))
        .collect();
    for guest in ["http_outbound", "http3_outbound"] {
        let front = single(
            "front",
            guest,
            json!({"capabilities": {"network": {"outbound": rules}}}),
        );
        let back = service(
            "back",
            &[
                ("/", component("hello", "http_hello", json!({}))),
                ("/echo", component("echo", "http_echo", json!({}))),
                ("/status", component("status", "http_status", json!({}))),
            ],
            json!({}),
        );
        let shoal = Up::new().manifest(&front).manifest(&back).start().await;
        let mut client = Client::h1(shoal.at("front")).await;
        for name in names {
            client
                .get(&format!("/?url=http://{name}/"))
                .await
                .is(200, "hello, world\n");
        }
        client
            .get("/?url=http://back:80/x")
            .await
            .is(200, "hello, world\n");
        client.get("/?url=http://back/status?code=404").await.has(404, "");
        // The other guest knows no other methods.
        if guest == "http_outbound" {
            client
                .get("/?url=http://back/echo&method=POST&body=here")
                .await
                .is(200, "here");
        }
    }
}

#[tokio::test]
async fn a_name_that_is_not_granted_is_denied_and_logged() {
    let front = single(
        "front",
        "http_outbound",
        json!({"capabilities": {"network": {"outbound": [{"host": "other", "ports": [80]}]}}}),
    );
    let back = single("back", "http_hello", json!({}));
    let shoal = Up::new().manifest(&front).manifest(&back).start().await;
    let at = shoal.at("front");
    get(at, "/?url=http://back/").await.has(502, "HttpRequestDenied");
    shoal
        .says("front", "network: back port 80 (TCP) is not granted")
        .await;
    // Another port, another namespace: nobody here.
    get(at, "/?url=http://back.elsewhere/")
        .await
        .has(502, "HttpRequestDenied");
}
