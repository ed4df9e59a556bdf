//! A Redis that is killed, paused, full or failing over, while entries come and the component writes to its store there: none of what
//! was acknowledged to the sender is lost.

use super::{all_done, counting, counts};
use serde_json::{Value, json};
use shoal_e2e::redis::{Redis, converse, try_say};
use shoal_e2e::{Shoal, until};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Entries that are sent in all.
const ENTRIES: usize = 300;

/// Sends entries one after the other, each until it was acknowledged.
struct Sender {
    sent: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl Sender {
    /// `send` says whether it was acknowledged. One of which that is not known is sent again by the same name.
    fn start(send: impl Fn(&str) -> bool + Send + 'static) -> Self {
        let sent = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&sent);
        let thread = std::thread::spawn(move || {
            for number in 0..ENTRIES {
                while !send(&format!("m{number}")) {
                    std::thread::sleep(Duration::from_millis(20));
                }
                counter.store(number + 1, Ordering::Relaxed);
            }
        });
        Self { sent, thread }
    }

    async fn has_sent(&self, count: usize) {
        until("entries that were sent", || {
            (self.sent.load(Ordering::Relaxed) >= count).then_some(())
        })
        .await;
    }

    async fn done(self) {
        self.has_sent(ENTRIES).await;
        self.thread.join().unwrap();
    }
}

fn is_id(said: &str) -> bool {
    said.contains('-') && said.starts_with(|c: char| c.is_ascii_digit())
}

/// It may be tried often: while the store is away each call fails.
fn worker(url: &str) -> String {
    let stream: Value = json!({"stream": "orders", "retryAfter": "100ms", "maxAttempts": 1000});
    counting("service_worker", url, json!({"streams": [stream]}), json!({}))
}

#[tokio::test]
async fn no_entry_is_lost_while_redis_is_killed_paused_and_full() {
    let mut redis = Redis::start();
    let shoal = Shoal::up(&worker(&redis.url())).await;
    let port = redis.port;
    let sender =
        Sender::start(move |payload| is_id(&try_say(port, &["XADD", "orders", "*", "payload", payload])));
    for round in 1..=6 {
        sender.has_sent(round * ENTRIES / 7).await;
        match round % 3 {
            1 => {
                redis.kill();
                tokio::time::sleep(Duration::from_millis(300)).await;
                redis.again();
            }
            2 => {
                redis.pause();
                tokio::time::sleep(Duration::from_millis(1500)).await;
                redis.resume();
            }
            _ => {
                redis.say(&["CONFIG", "SET", "maxmemory", "1"]);
                tokio::time::sleep(Duration::from_millis(700)).await;
                redis.say(&["CONFIG", "SET", "maxmemory", "0"]);
            }
        }
    }
    sender.done().await;
    all_done(port, "m", ENTRIES).await;
    assert_eq!(redis.say(&["EXISTS", "orders.dead"]), "0");
    let counts = counts(shoal, "jobs").await;
    let of = |name: &str| counts[name].as_u64().unwrap();
    assert!(of("succeeded") >= ENTRIES as u64, "{counts}");
    assert!(of("disconnected") >= 2, "it was killed twice: {counts}");
    assert_eq!(of("dropped"), 0, "{counts}");
}

#[tokio::test]
async fn a_redis_that_hangs_for_longer_than_an_answer_may_take_is_left_and_found_again() {
    let redis = Redis::start();
    let shoal = Shoal::up(&worker(&redis.url())).await;
    let port = redis.port;
    let sender =
        Sender::start(move |payload| is_id(&try_say(port, &["XADD", "orders", "*", "payload", payload])));
    sender.has_sent(ENTRIES / 3).await;
    redis.pause();
    shoal.says("worker", "trying again until it is back").await;
    redis.resume();
    sender.done().await;
    all_done(port, "m", ENTRIES).await;
    let counts = counts(shoal, "jobs").await;
    assert!(counts["disconnected"].as_u64().unwrap() >= 1, "{counts}");
}

#[tokio::test]
async fn no_entry_is_lost_while_another_becomes_the_master() {
    let mut first = Redis::start();
    let second = Redis::with(&["--replicaof", "127.0.0.1", &first.port.to_string()]);
    until("the replica", || {
        let said = second.say(&["INFO", "replication"]);
        said.contains("master_link_status:up").then_some(())
    })
    .await;
    let sentinel = Redis::sentinel(&first);
    until("the sentinel's view", || {
        let replicas = sentinel.say(&["SENTINEL", "replicas", "main"]);
        replicas.contains(&second.port.to_string()).then_some(())
    })
    .await;
    let url = format!("redis-sentinel://127.0.0.1:{}/main", sentinel.port);
    let shoal = Shoal::up(&worker(&url)).await;
    let (asked, alone) = (sentinel.port, Arc::new(AtomicBool::new(false)));
    let now_alone = Arc::clone(&alone);
    let sender = Sender::start(move |payload| {
        let master = try_say(asked, &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"]);
        let Some(port) = master.lines().nth(1).and_then(|it| it.parse().ok()) else {
            return false;
        };
        let add = format!("XADD orders * payload {payload}");
        if alone.load(Ordering::Relaxed) {
            return converse(port, &[&add]).first().is_some_and(|it| is_id(it));
        }
        // Acknowledged is what the replica has: Redis itself answers before.
        match converse(port, &[&add, "WAIT 1 500"]).as_slice() {
            [id, replicas] => is_id(id) && replicas == "1",
            _ => false,
        }
    });
    sender.has_sent(ENTRIES / 3).await;
    first.kill();
    until("the new master", || {
        let said = second.say(&["INFO", "replication"]);
        said.contains("role:master").then_some(())
    })
    .await;
    // Of what is sent from now on there is no replica.
    now_alone.store(true, Ordering::Relaxed);
    sender.done().await;
    all_done(second.port, "m", ENTRIES).await;
    let counts = counts(shoal, "jobs").await;
    assert!(counts["disconnected"].as_u64().unwrap() >= 1, "{counts}");
}
