//! Each request has an instance of its own, or one that was used before for the same component alone; none ever holds what
//! another left behind.

use serde_json::{Value, json};
use shoal_e2e::manifest::single;
use shoal_e2e::{Client, Shoal, Up, component, get, service, within};
use std::time::Duration;

#[tokio::test]
async fn every_request_has_a_fresh_instance() {
    let shoal = Shoal::up(&single("counter", "http_counter", json!({}))).await;
    let mut one = Client::h1(shoal.address()).await;
    let mut two = Client::h2(shoal.address()).await;
    for _ in 0..100 {
        one.get("/").await.is(200, "1\n");
        two.get("/").await.is(200, "1\n");
    }
}

#[tokio::test]
async fn reuse_keeps_an_instance_for_as_many_requests_as_the_manifest_says() {
    let shoal = Shoal::up(&single(
        "counter",
        "http_counter",
        json!({"reuse": {"maxRequests": 3, "idleTimeout": "1h"}}),
    ))
    .await;
    let mut client = Client::h1(shoal.address()).await;
    let mut seen = Vec::new();
    for _ in 0..9 {
        seen.push(client.get("/").await.text());
    }
    assert_eq!(seen.concat(), "1\n2\n3\n1\n2\n3\n1\n2\n3\n");
}

#[tokio::test]
async fn an_idle_instance_is_thrown_away_after_a_while() {
    let reuse = json!({"reuse": {"maxRequests": 1_000_000, "idleTimeout": "100ms"}});
    let shoal = Shoal::up(&single("counter", "http_counter", reuse)).await;
    get(shoal.address(), "/").await.is(200, "1\n");
    within("a fresh instance", async {
        loop {
            tokio::time::sleep(Duration::from_millis(400)).await;
            if get(shoal.address(), "/").await.text() == "1\n" {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn reuse_never_gives_one_instance_to_two_requests_at_once() {
    let reuse = json!({"reuse": {"maxRequests": 1000, "idleTimeout": "1h"}});
    let sleep = ("/sleep", component("sleep", "http_sleep", reuse.clone()));
    let counter = ("/counter", component("counter", "http_counter", reuse));
    let shoal = Shoal::up(&service("both", &[sleep, counter], json!({}))).await;
    let at = shoal.address();
    for answer in futures::future::join_all((0..20).map(|_| get(at, "/sleep?ms=100"))).await {
        answer.is(200, "slept 100 ms\n");
    }
    // Each number of each instance comes once: the sum of what 20 clients are told is that of some instances' counts.
    let all = futures::future::join_all((0..20).map(|_| async move {
        let mut client = Client::h1(at).await;
        let mut seen = Vec::new();
        for _ in 0..20 {
            seen.push(
                client
                    .get("/counter")
                    .await
                    .text()
                    .trim()
                    .parse::<usize>()
                    .unwrap(),
            );
        }
        seen
    }));
    let mut times = vec![0; 401];
    all.await
        .into_iter()
        .flatten()
        .for_each(|count| times[count] += 1);
    assert_eq!(times.iter().sum::<usize>(), 400);
    assert!(
        times[1..].windows(2).all(|pair| pair[0] >= pair[1]),
        "an instance skipped a count: {times:?}"
    );
}

#[tokio::test]
async fn an_instance_that_trapped_is_not_used_again() {
    let reuse = json!({"reuse": {"maxRequests": 1000, "idleTimeout": "1h"}});
    let trap = ("/", component("trap", "service_trap", reuse.clone()));
    let after = ("/after", component("after", "hostile_trap_after_answer", reuse));
    let shoal = Shoal::up(&service("traps", &[trap, after], json!({}))).await;
    let mut client = Client::h1(shoal.address()).await;
    for n in 0..20 {
        client.post("/", "trap").await.has(500, "trapped");
        client
            .post("/", format!("go on {n}"))
            .await
            .is(200, &format!("go on {n}"));
        // Its answer was on its way already when it trapped, or not.
        let after = get(shoal.address(), "/after").await;
        assert!(
            after.status == 500 || after.text() == "answered\n" || after.cut.is_some(),
            "{after:?}"
        );
    }
    // An instance that trapped says so when it is called again ("cannot enter component instance").
    assert!(
        !shoal
            .log
            .of("traps")
            .iter()
            .any(|said| said.contains("cannot enter")),
        "{}",
        shoal.log.tail()
    );
}

/// Manifest of a component that writes marks over all its memory, and of one that searches for them.
fn residue(name: &str, fields: &Value) -> String {
    let part = |name| component(name, "http_residue", fields.clone());
    service(
        name,
        &[("/writer", part("writer")), ("/reader", part("reader"))],
        json!({}),
    )
}

#[tokio::test]
async fn the_search_for_residue_finds_what_is_there() {
    let reuse = json!({"reuse": {"maxRequests": 10, "idleTimeout": "1h"}, "limits": {"cpuTime": "10s"}});
    let shoal = Shoal::up(&residue("residue", &reuse)).await;
    let mut client = Client::h1(shoal.address()).await;
    client.get("/writer").await.is(200, "clean\n");
    client.get("/writer?write=1").await.is(200, "written\n");
    client.get("/writer").await.has(500, "residue");
    // What the one component keeps is not the other's.
    client.get("/reader").await.is(200, "clean\n");
}

#[tokio::test]
async fn no_instance_sees_what_another_left_in_memory() {
    let limits = json!({"limits": {"cpuTime": "10s", "requestTimeout": "60s"}});
    // Two slots for all, so that each is used again and again by both components of both services.
    let up = Up::new()
        .arg("--slots")
        .arg("2")
        .manifest(&residue("one", &limits));
    let shoal = up.manifest(&residue("two", &limits)).start().await;
    let addresses = [shoal.at("one"), shoal.at("two")];
    let all = (0..4).map(|n| async move {
        let mut client = Client::h1(addresses[n % 2]).await;
        for _ in 0..25 {
            client.get("/writer?write=1").await.is(200, "written\n");
            client.get("/reader").await.is(200, "clean\n");
            client.get("/writer").await.is(200, "clean\n");
        }
    });
    futures::future::join_all(all).await;
}

#[tokio::test]
async fn no_instance_sees_what_another_left_where_instances_end_badly() {
    let limits = json!({"limits": {"cpuTime": "10s", "requestTimeout": "60s"}});
    let bad = service(
        "bad",
        &[
            ("/trap", component("trap", "hostile_trap_in_handler", json!({}))),
            (
                "/bomb",
                component(
                    "bomb",
                    "hostile_memory_bomb",
                    json!({"limits": {"memory": "32Mi"}}),
                ),
            ),
        ],
        json!({}),
    );
    let shoal = Up::new()
        .arg("--slots")
        .arg("2")
        .manifest(&residue("one", &limits))
        .manifest(&bad)
        .start()
        .await;
    let (one, bad) = (shoal.at("one"), shoal.at("bad"));
    let all = (0..2).map(|_| async move {
        for _ in 0..20 {
            get(one, "/writer?write=1").await.is(200, "written\n");
            assert_eq!(get(bad, "/trap").await.status, 500);
            get(one, "/reader").await.is(200, "clean\n");
            assert_eq!(get(bad, "/bomb").await.status, 500);
            get(one, "/reader").await.is(200, "clean\n");
        }
    });
    futures::future::join_all(all).await;
}

#[tokio::test]
async fn more_requests_than_slots_wait_for_one_and_are_answered() {
    let manifest = single(
        "sleep",
        "http_sleep",
        json!({"limits": {"requestTimeout": "60s"}}),
    );
    let shoal = Up::new()
        .arg("--slots")
        .arg("2")
        .manifest(&manifest)
        .start()
        .await;
    let at = shoal.address();
    for answer in futures::future::join_all((0..40).map(|_| get(at, "/?ms=5"))).await {
        answer.is(200, "slept 5 ms\n");
    }
}
