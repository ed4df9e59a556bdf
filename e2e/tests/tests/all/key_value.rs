//! Key-value stores: granted by name, for reading or writing, shared by those who are granted the same one.

use serde_json::{Value, json};
use shoal_e2e::{Shoal, Up, component, get, service};

fn grant(guest: &str, name: &str, grants: Value) -> Value {
    component(name, guest, json!({"capabilities": {"keyValue": grants}}))
}

fn stores(names: &[&str]) -> Value {
    json!({"stores": names.iter().map(|name| json!({"name": name, "memory": {}})).collect::<Vec<_>>()})
}

#[tokio::test]
async fn every_operation_of_a_store_works() {
    let kv = grant("http_kv", "kv", json!([{"name": "default", "store": "data"}]));
    let shoal = Shoal::up(&service("kv", &[("/", kv)], stores(&["data"]))).await;
    let steps = [
        ("op=get&key=a", "none"),
        ("op=set&key=a&value=1", "done"),
        ("op=get&key=a", "1"),
        ("op=exists&key=a", "true"),
        ("op=increment&key=a&delta=41", "42"),
        ("op=get&key=a", "42"),
        ("op=set-many&key=b&value=2&key=c&value=3", "done"),
        ("op=get-many&key=b&key=nothing&key=c", "b=2 none c=3"),
        ("op=list", "a b c"),
        ("op=delete-many&key=b&key=c", "done"),
        ("op=delete&key=a", "done"),
        ("op=exists&key=a", "false"),
        ("op=list", ""),
        ("op=set&key=%C3%BC%20%00&value=", "done"),
        ("op=exists&key=%C3%BC%20%00", "true"),
    ];
    for (query, expected) in steps {
        let answer = get(shoal.address(), &format!("/?{query}")).await;
        assert_eq!(
            (answer.status, answer.text().trim_end()),
            (200, expected),
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_store_is_shared_by_those_who_were_granted_it_and_by_nobody_else() {
    let parts = [
        (
            "/writer",
            grant(
                "http_kv",
                "writer",
                json!([{"name": "default", "store": "shared"}, {"name": "mine", "store": "own"}]),
            ),
        ),
        (
            "/reader",
            grant(
                "http_kv",
                "reader",
                json!([{"name": "theirs", "store": "shared", "readOnly": true}]),
            ),
        ),
    ];
    let one = service("one", &parts, stores(&["shared", "own"]));
    let two = service(
        "two",
        &[(
            "/",
            grant("http_kv", "kv", json!([{"name": "default", "store": "shared"}])),
        )],
        stores(&["shared"]),
    );
    let shoal = Up::new().manifest(&one).manifest(&two).start().await;
    let (one, two) = (shoal.at("one"), shoal.at("two"));
    get(one, "/writer?op=set&key=fish&value=shoal")
        .await
        .has(200, "done");
    get(one, "/writer?op=set&key=fish&value=secret&store=mine")
        .await
        .has(200, "done");
    get(one, "/reader?op=get&key=fish&store=theirs")
        .await
        .has(200, "shoal");
    // Read-only, in every way there is to write.
    for query in [
        "op=set&key=fish&value=x",
        "op=delete&key=fish",
        "op=increment&key=n",
        "op=set-many&key=a&value=b",
        "op=delete-many&key=fish",
    ] {
        get(one, &format!("/reader?{query}&store=theirs"))
            .await
            .has(403, "access-denied");
    }
    get(one, "/writer?op=get&key=fish").await.has(200, "shoal");
    // By names that were not granted, were they even those of stores that exist.
    for name in ["default", "mine", "own", "shared", "", "../shared", "one/shared"] {
        get(one, &format!("/reader?op=get&key=fish&store={name}"))
            .await
            .has(404, "no-such-store");
    }
    // A store of another service, though it has the same name.
    get(two, "/?op=get&key=fish").await.has(200, "none");
}

#[tokio::test]
async fn concurrent_increments_all_count() {
    let kv = grant("http_kv", "kv", json!([{"name": "default", "store": "data"}]));
    let shoal = Shoal::up(&service("kv", &[("/", kv)], stores(&["data"]))).await;
    let at = shoal.address();
    let all = (0..10).map(|_| async move {
        let mut client = shoal_e2e::Client::h1(at).await;
        for _ in 0..50 {
            assert_eq!(client.get("/?op=increment&key=n&delta=1").await.status, 200);
        }
    });
    futures::future::join_all(all).await;
    get(at, "/?op=get&key=n").await.has(200, "500");
}

#[test]
fn without_a_grant_the_import_is_refused_with_the_line_that_grants_it() {
    for (guest, import) in [
        ("http_kv", "wasi:keyvalue/store@0.2.0-draft"),
        ("service_greeter", "shoal:service/kv-store@0.1.0"),
    ] {
        let ended = Up::new()
            .manifest(&service(
                "kv",
                &[("/", component("web", guest, json!({})))],
                json!({}),
            ))
            .fails();
        let grant = "spec.components[0].capabilities.keyValue: [{name: default, store: STORE}]\n";
        let store = "spec.stores: [{name: STORE, memory: {}}]\n";
        ended.failed(1, &["component web", import, grant, store]);
    }
    // `kv-store` is served by the store that is granted as `default`, and by no other.
    let other = grant(
        "service_greeter",
        "web",
        json!([{"name": "other", "store": "data"}]),
    );
    Up::new()
        .manifest(&service("kv", &[("/", other)], stores(&["data"])))
        .fails()
        .failed(1, &["shoal:service/kv-store@0.1.0"]);
}

#[tokio::test]
async fn a_grant_to_one_component_is_none_for_its_neighbour() {
    let granted = grant(
        "service_greeter",
        "granted",
        json!([{"name": "default", "store": "data"}]),
    );
    let not = component("not", "service_greeter", json!({}));
    let ended = Up::new()
        .manifest(&service("kv", &[("/a", granted), ("/b", not)], stores(&["data"])))
        .fails();
    ended.failed(
        1,
        &[
            "component not can't run here: grant it",
            "spec.components[1].capabilities.keyValue",
        ],
    );
}
