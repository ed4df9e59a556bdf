//! One suite for all kinds of stores: the same guest gets the same answers, whatever stands behind the name.

use serde_json::{Value, json};
use shoal_e2e::redis::{Redis, free_port};
use shoal_e2e::{Client, Shoal, Up, component, get, post, service};

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

/// What is asked, and what every store answers.
async fn conforms(kind: &str, text: &str) {
    let shoal = Shoal::up(text).await;
    let mut client = Client::h1(shoal.address()).await;
    let long = "k".repeat(1025);
    let steps = [
        ("op=get&key=a".to_owned(), 200, "none"),
        ("op=set&key=a&value=1".to_owned(), 200, "done"),
        ("op=get&key=a".to_owned(), 200, "1"),
        ("op=get&key=a&store=ro".to_owned(), 200, "1"),
        (
            "op=set&key=a&value=2&store=ro".to_owned(),
            403,
            "error access-denied",
        ),
        ("op=get&key=a&store=other".to_owned(), 404, "error no-such-store"),
        ("op=exists&key=a".to_owned(), 200, "true"),
        ("op=increment&key=a&delta=41".to_owned(), 200, "42"),
        ("op=increment&key=new&delta=9".to_owned(), 200, "9"),
        (
            "op=set&key=big&value=18446744073709551614".to_owned(),
            200,
            "done",
        ),
        (
            "op=increment&key=big&delta=1".to_owned(),
            200,
            "18446744073709551615",
        ),
        (
            "op=increment&key=big&delta=1".to_owned(),
            500,
            "error the value of \"big\" is not a decimal number below 2^64, or would not stay one",
        ),
        ("op=set&key=odd&value=007".to_owned(), 200, "done"),
        (
            "op=increment&key=odd".to_owned(),
            500,
            "error the value of \"odd\" is not a decimal number below 2^64, or would not stay one",
        ),
        ("op=set-many&key=b&value=2&key=c&value=3".to_owned(), 200, "done"),
        (
            "op=get-many&key=b&key=nothing&key=c".to_owned(),
            200,
            "b=2 none c=3",
        ),
        ("op=list".to_owned(), 200, "a b big c new odd"),
        ("op=delete-many&key=b&key=nothing&key=c".to_owned(), 200, "done"),
        ("op=delete&key=big".to_owned(), 200, "done"),
        ("op=delete&key=big".to_owned(), 200, "done"),
        ("op=exists&key=big".to_owned(), 200, "false"),
        ("op=set&key=%C3%BC%20%00*%7B%7D&value=".to_owned(), 200, "done"),
        ("op=get&key=%C3%BC%20%00*%7B%7D".to_owned(), 200, ""),
        ("op=delete&key=%C3%BC%20%00*%7B%7D".to_owned(), 200, "done"),
        (format!("op=get&key={long}"), 200, "none"),
        (
            format!("op=set&key={long}&value=1"),
            500,
            "error the key has 1025 bytes; the store takes keys of at most 1024",
        ),
        ("op=list&store=ro".to_owned(), 200, "a new odd"),
    ];
    for (query, status, expected) in steps {
        let answer = client.get(&format!("/?{query}")).await;
        let said = (answer.status, answer.text().trim_end().to_owned());
        assert_eq!(said, (status, expected.to_owned()), "{kind}: {query:.60}");
    }
    // A thousand keys and more come in pages, each once.
    for chunk in (0..2500).collect::<Vec<_>>().chunks(50) {
        let query: String = chunk.iter().map(|n| format!("&key=p{n:04}&value=x")).collect();
        client
            .get(&format!("/?op=set-many{query}"))
            .await
            .has(200, "done");
    }
    let listed = client.get("/?op=list").await.text();
    let mut listed: Vec<_> = listed.split_whitespace().collect();
    listed.dedup();
    assert_eq!(listed.len(), 2503, "{kind}");
    // Writers at once lose nothing.
    let address = shoal.address();
    let writers = (0..8).map(|_| async move {
        let mut client = Client::h1(address).await;
        for _ in 0..25 {
            client.get("/?op=increment&key=n&delta=1").await.has(200, "");
        }
    });
    futures::future::join_all(writers).await;
    client.get("/?op=get&key=n").await.is(200, "200\n");
    for visit in 1..=3 {
        post(address, "/greet", "fish")
            .await
            .is(200, &format!("hello fish, visit {visit}\n"));
    }
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
