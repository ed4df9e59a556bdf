//! Services that want everything, beside one that wants little. How slots are shared is proven in `shoal-engine`.

use ::http::Method;
use serde_json::json;
use shoal_e2e::client::{empty, request};
use shoal_e2e::manifest::single;
use shoal_e2e::{Client, Up, get};
use std::time::Duration;

/// Services whose requests never end.
const GREEDY: usize = 50;
/// Requests to each at once: more than there are slots, together.
const REQUESTS: usize = 10;
/// More than four for each service, so that each has a slot of its own; and fewer than the greedy ones ask for.
const SLOTS: usize = 400;

#[tokio::test]
async fn fifty_greedy_services_do_not_starve_a_modest_one() {
    let mut up = Up::new().arg("--slots").arg(SLOTS.to_string());
    up = up.manifest(&single("modest", "http_hello", json!({})));
    for n in 0..GREEDY {
        let limits = json!({"limits": {"requestTimeout": "1h", "cpuTime": "1h"}});
        // Half of them hold their slots and do nothing, the others compute.
        let guest = ["hostile_wait_for_ever", "hostile_endless_loop"][n % 2];
        up = up.manifest(&single(&format!("greedy-{n}"), guest, limits));
    }
    let shoal = up.start().await;
    let mut asking = tokio::task::JoinSet::new();
    for n in 0..GREEDY {
        let address = shoal.at(&format!("greedy-{n}"));
        for _ in 0..REQUESTS {
            asking.spawn(async move {
                let mut client = Client::h1(address).await;
                client.send(request(Method::GET, "/", empty())).await
            });
        }
    }
    for _ in 0..100 {
        get(shoal.at("modest"), "/").await.is(200, "hello, world\n");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(
        asking.try_join_next().is_none(),
        "the others were to ask all the time"
    );
}
