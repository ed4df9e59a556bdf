//! Kinds of stores: the suite that all of them answer alike, and what each is for itself.

use serde_json::{Value, json};
use shoal_e2e::redis::{Redis, free_port};
use shoal_e2e::{Shoal, Up, component, get, service};

/// A service with the guest that does what it is asked to `?store=`, and the simplest one, on one store.
fn manifest(name: &str, store: Value, volumes: Value) -> String {
    let grants = json!({"capabilities": {"keyValue": [
        {"name": "default", "store": "data"}, {"name": "ro", "store": "data", "readOnly": true},
    ]}});
    let components = [
        ("/", component("kv", "http_kv", grants.clone())),
        ("/greet", component("greeter", "service_greeter", grants)),
    ];
    let mut data = json!({"name": "data"});
    data.as_object_mut()
        .unwrap()
        .extend(store.as_object().unwrap().clone());
    service(name, &components, json!({"stores": [data], "volumes": volumes}))
}

async fn conforms(kind: &'static str, text: &str) {
    let shoal = Shoal::up(text).await;
    let address = shoal.address();
    let asking = tokio::task::spawn_blocking(move || shoal_conformance::stores::conforms(kind, address));
    asking.await.unwrap();
}

#[tokio::test]
async fn a_store_in_memory_conforms() {
    conforms("memory", &manifest("conforms", json!({"memory": {}}), json!([]))).await;
}

#[tokio::test]
async fn a_store_in_a_file_conforms() {
    let volumes = json!([{"name": "disk", "emptyDir": {}}]);
    let text = manifest("conforms", json!({"persistent": {"volume": "disk"}}), volumes);
    conforms("persistent", &text).await;
}

#[tokio::test]
async fn a_store_in_redis_conforms() {
    let redis = Redis::start();
    let text = manifest("conforms", json!({"redis": {"url": redis.url()}}), json!([]));
    conforms("redis", &text).await;
    assert_eq!(redis.say(&["GET", "default/conforms/data/n"]), "200");
}

#[tokio::test]
async fn a_store_in_a_cluster_of_redis_conforms() {
    let nodes: Vec<_> = (0..3)
        .map(|_| {
            Redis::with(&[
                "--cluster-enabled",
                "yes",
                "--cluster-port",
                &free_port().to_string(),
            ])
        })
        .collect();
    let ports: Vec<_> = nodes
        .iter()
        .map(|node| format!("127.0.0.1:{}", node.port))
        .collect();
    let mut create = vec!["--cluster", "create", "--cluster-yes"];
    create.splice(2..2, ports.iter().map(String::as_str));
    let made = nodes[0].try_say(&create);
    assert!(made.contains("All 16384 slots covered"), "{made}");
    let url = format!("redis-cluster://{},{}", ports[0], ports[1]);
    conforms(
        "cluster",
        &manifest("conforms", json!({"redis": {"url": url}}), json!([])),
    )
    .await;
    for node in &nodes {
        let keys: u32 = node.say(&["DBSIZE"]).parse().unwrap();
        assert!(keys > 100, "each node has its part: {keys}");
    }
}

#[tokio::test]
async fn services_that_share_a_redis_see_their_own_keys_alone() {
    let redis = Redis::start();
    let store = json!({"redis": {"url": redis.url()}});
    let shoal = Up::new()
        .manifest(&manifest("one", store.clone(), json!([])))
        .manifest(&manifest("o", store.clone(), json!([])))
        .manifest(&manifest(
            "outside",
            json!({"redis": {"url": redis.url(), "prefix": "theirs:"}}),
            json!([]),
        ))
        .start()
        .await;
    redis.say(&["SET", "theirs:greeting", "hello"]);
    get(shoal.at("one"), "/?op=set&key=secret&value=1")
        .await
        .has(200, "done");
    for name in ["o", "outside"] {
        for key in [
            "secret",
            "../one/data/secret",
            "default/one/data/secret",
            "ne/data/secret",
        ] {
            get(shoal.at(name), &format!("/?op=get&key={key}"))
                .await
                .is(200, "none\n");
        }
    }
    get(shoal.at("o"), "/?op=list").await.is(200, "\n");
    get(shoal.at("one"), "/?op=list").await.is(200, "secret\n");
    get(shoal.at("outside"), "/?op=list").await.is(200, "greeting\n");
    // What others put there is bounded, and an error.
    redis.say(&[
        "EVAL",
        "redis.call('SET', 'theirs:huge', string.rep('x', 50000000))",
        "0",
    ]);
    get(shoal.at("outside"), "/?op=get&key=huge")
        .await
        .has(500, "50000000 bytes");
    get(shoal.at("outside"), "/?op=get&key=greeting")
        .await
        .is(200, "hello\n");
    redis.say(&["LPUSH", "theirs:list", "x"]);
    get(shoal.at("outside"), "/?op=get&key=list")
        .await
        .has(500, "WRONGTYPE");
    assert!(shoal.most_memory() < 400 << 10, "{} KiB", shoal.most_memory());
}

#[tokio::test]
async fn a_redis_that_is_gone_is_an_error_and_comes_back_by_itself() {
    let mut redis = Redis::start();
    let text = manifest("gone", json!({"redis": {"url": redis.url()}}), json!([]));
    let shoal = Shoal::up(&text).await;
    let address = shoal.address();
    get(address, "/?op=set&key=a&value=1").await.has(200, "done");
    redis.kill();
    get(address, "/?op=set&key=b&value=1")
        .await
        .has(500, "Redis at 127.0.0.1");
    redis.again();
    recovers(address, "a", "1").await;
    redis.pause();
    get(address, "/?op=get&key=a")
        .await
        .has(500, "did not answer within 5s");
    redis.resume();
    recovers(address, "a", "1").await;
    redis.say(&["CONFIG", "SET", "maxmemory", "1"]);
    get(address, "/?op=set&key=c&value=1").await.has(500, "OOM");
    get(address, "/?op=get&key=a").await.is(200, "1\n");
    redis.say(&["CONFIG", "SET", "maxmemory", "0"]);
    get(address, "/?op=set&key=c&value=1").await.has(200, "done");
}

/// Asks until there is an answer again.
async fn recovers(address: std::net::SocketAddr, key: &str, value: &str) {
    shoal_e2e::within("an answer", async {
        while get(address, &format!("/?op=get&key={key}")).await.text() != format!("{value}\n") {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn sentinels_lead_to_the_new_master() {
    let mut first = Redis::start();
    let second = Redis::with(&["--replicaof", "127.0.0.1", &first.port.to_string()]);
    shoal_e2e::until("the replica", || {
        second
            .say(&["INFO", "replication"])
            .contains("master_link_status:up")
            .then_some(())
    })
    .await;
    let sentinel = Redis::sentinel(&first);
    shoal_e2e::until("the sentinel's view", || {
        sentinel
            .say(&["SENTINEL", "replicas", "main"])
            .contains(&second.port.to_string())
            .then_some(())
    })
    .await;
    let url = format!("redis-sentinel://127.0.0.1:{}/main", sentinel.port);
    let shoal = Shoal::up(&manifest("failover", json!({"redis": {"url": url}}), json!([]))).await;
    let address = shoal.address();
    get(address, "/?op=set&key=a&value=1").await.has(200, "done");
    first.say(&["WAIT", "1", "5000"]);
    first.kill();
    recovers(address, "a", "1").await;
    get(address, "/?op=set&key=b&value=2").await.has(200, "done");
    // The old master comes back, as the replica that it is now.
    first.again();
    get(address, "/?op=get&key=b").await.is(200, "2\n");
    assert_eq!(second.say(&["GET", "default/failover/data/b"]), "2");
}
