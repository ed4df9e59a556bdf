//! What many services cost the API server and the operator, at work and at rest; and that what others set stays.

use serde_json::{Value, json};
use shoal_operated::manifest::service;
use shoal_operated::{Operator, ready};
use shoal_pods::{Space, cluster, exclusive, guests};
use std::time::{Duration, Instant};

/// How long may pass without one more being ready.
const PATIENCE: Duration = Duration::from_mins(2);

/// A hundred, whose figures for each service are those of a thousand; `SHOAL_MANY=1000` makes as many as a release promises.
fn many() -> usize {
    std::env::var("SHOAL_MANY").map_or(100, |it| it.parse().expect("SHOAL_MANY is a number"))
}

#[test]
fn what_others_set_survives_a_hundred_reconciliations() {
    let space = Space::new("others");
    let operator = Operator::start("a", &[&space.name]);
    space.apply(&service("greeter", &guests::image("http_hello")));
    ready(&space, "greeter");
    space.kubectl(&["annotate", "deployment", "greeter", "example.com/owner=team-a"]);
    space.kubectl(&[
        "patch",
        "deployment",
        "greeter",
        "--type=merge",
        "-p",
        r#"{"spec":{"minReadySeconds":1,"revisionHistoryLimit":3}}"#,
    ]);
    space.kubectl(&["label", "service", "greeter", "example.com/tier=web"]);
    operator.proxy.clear();
    for number in 0..100 {
        // Each is seen by the operator, which looks at the service again.
        let mark = format!("example.com/mark={number}");
        space.kubectl(&["annotate", "wsvc", "greeter", &mark, "--overwrite"]);
        space.kubectl(&["annotate", "deployment", "greeter", &mark, "--overwrite"]);
    }
    let deployment = space.get("deployment", "greeter");
    assert_eq!(
        deployment["metadata"]["annotations"]["example.com/owner"],
        "team-a"
    );
    assert_eq!(deployment["spec"]["minReadySeconds"], json!(1));
    assert_eq!(
        space.get("service", "greeter")["metadata"]["labels"]["example.com/tier"],
        "web"
    );
    let writes: Vec<_> = operator.proxy.writes().into_iter().map(|it| it.path).collect();
    println!("100 times looked at: {} writes", writes.len());
    // The person's minReadySeconds changes how the rollout stands, and so the status, for a moment.
    assert!(writes.iter().all(|path| path.ends_with("/status")), "{writes:?}");
}

#[test]
fn many_services_cost_few_requests_and_nothing_at_rest() {
    let count = many();
    let alone = exclusive();
    let space = Space::new("many");
    let operator = Operator::start("a", &[&space.name]);
    let image = guests::image("http_hello");
    // One first, so that what the operator does once is not counted.
    space.apply(&service("first", &image));
    ready(&space, "first");
    operator.proxy.clear();
    let before = operator.memory();
    let began = Instant::now();
    let items: Vec<Value> = (0..count)
        .map(|number| {
            let mut object = service(&format!("greeter-{number}"), &image);
            object["metadata"]["namespace"] = json!(space.name);
            object
        })
        .collect();
    for part in items.chunks(100) {
        cluster()
            .kubectl
            .apply(&json!({"apiVersion": "v1", "kind": "List", "items": part}))
            .unwrap();
    }
    let mut ready_at = Vec::new();
    let mut last = began;
    while ready_at.len() < count {
        let list = space.list(&["wsvc"]);
        let items = list["items"].as_array().unwrap();
        let is_ready =
            |it: &&Value| shoal_operated::condition(it, "Ready").is_some_and(|it| it["status"] == "True");
        let now = items.iter().filter(is_ready).count().saturating_sub(1);
        if now > ready_at.len() {
            last = Instant::now();
        }
        ready_at.resize(now, began.elapsed());
        assert!(
            last.elapsed() < PATIENCE,
            "no more than {now} of {count} are ready"
        );
        std::thread::sleep(Duration::from_secs(2));
    }
    let requests = operator.proxy.requests();
    let of = |test: &dyn Fn(&shoal_operated::Request) -> bool| {
        requests.iter().filter(|it| test(it)).count() as f64 / count as f64
    };
    println!(
        "{count} services: {:.2} requests each ({:.2} writes of objects, {:.2} of status, {:.2} events, {:.2} reads); ready p50 {:.1} s, p99 {:.1} s, last {:.1} s",
        of(&|it| !it.watch && !it.path.contains("/leases")),
        of(&|it| it.writes() && !it.path.ends_with("/status")),
        of(&|it| it.path.ends_with("/status")),
        of(&|it| it.path.contains("/events")),
        of(&|it| it.method == "GET" && !it.watch && !it.path.contains("/leases")),
        ready_at[count / 2].as_secs_f64(),
        ready_at[count * 99 / 100].as_secs_f64(),
        ready_at[count - 1].as_secs_f64(),
    );
    let writes_each = of(&|it| it.writes());
    // At rest, beside others: only what this operator does is counted.
    let _shared = alone.share();
    std::thread::sleep(Duration::from_secs(10));
    operator.proxy.clear();
    let full = operator.memory();
    std::thread::sleep(Duration::from_secs(60));
    let (writes, rest) = (operator.proxy.writes(), operator.memory());
    println!(
        "memory: {before} KiB with one service, {full} KiB with {count}, {rest} KiB a minute later; writes in that minute: {}",
        writes.len()
    );
    // Eleven where the machine keeps up; a pod that is slow to start is told of more often.
    assert!(writes_each < 16.0, "{writes_each:.2} writes for each service");
    assert!(writes.is_empty(), "{writes:?}");
    assert!(rest < full + 2048, "memory grows at rest: {full} -> {rest} KiB");
}
