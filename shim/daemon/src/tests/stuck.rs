//! Workers that don't do what they are told, and that SIGKILL does not end.

use super::fake::{LONG, Lab, container_in};
use crate::record::Container;
use crate::slots::MAX_ENDING;
use serde_json::json;
use shoal_protocol::{Ending, FromWorker, ToWorker};

fn of(domain: &str, id: &str) -> Container {
    container_in(domain, id, &format!("pod-of-{id}"), json!({"name": "main"}))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_can_not_be_killed_holds_up_nobody() {
    let lab = Lab::new().await;
    lab.undying(true);
    let (held, first) = tokio::join!(lab.run(of("ns-held", "a")), async {
        let fake = lab.fake().await;
        assert!(matches!(fake.hear().await, ToWorker::Start { .. }));
        fake.say(&FromWorker::Started { id: "a".to_owned() }).await;
        fake
    });
    let held = held.unwrap();
    lab.undying(false);

    // From here on it does nothing. Others start and end while it is to end its container.
    let meanwhile = async {
        let (other, second) = tokio::join!(lab.run(of("ns-other", "b")), async {
            let fake = lab.fake().await;
            fake.obey();
            fake
        });
        assert!(other.unwrap().runs());
        lab.end("b").await;
        assert!(held.runs(), "the other domain went first");
        second
    };
    let ((), second) = tokio::join!(lab.end("a"), meanwhile);
    assert_eq!(held.wait().await.0.ending, Ending::Killed);

    // Its own domain goes on with another worker, which has nothing in common with it.
    let (again, third) = tokio::join!(lab.run(of("ns-held", "c")), async {
        let fake = lab.fake().await;
        fake.obey();
        fake
    });
    assert!(again.unwrap().runs());
    assert!(!*first.dead.borrow());
    let records = [&first.record, &second.record, &third.record];
    assert_eq!(first.record.domain, third.record.domain);
    assert_ne!(first.record.name(), third.record.name());
    assert_ne!(first.record.uid, third.record.uid);
    assert!(records.iter().all(|it| it.generation > 0));

    // Once the kernel lets it go, nothing of it is left, and the new one is untouched.
    first.dead.send_replace(true);
    let record = lab.node.paths.records("domains");
    let record = record.join(format!("{}.json", first.record.name()));
    let gone = async {
        while record.exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, gone).await.unwrap();
    assert!(lab.node.container("c").unwrap().runs());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_in_a_worker_that_is_given_up_has_ended_though_its_process_has_not() {
    let lab = Lab::new().await;
    lab.undying(true);
    let (a, fake) = tokio::join!(lab.run(of("ns", "a")), async {
        let fake = lab.fake().await;
        fake.obey();
        fake
    });
    let (a, b) = (a.unwrap(), lab.run(of("ns", "b")).await.unwrap());
    a.worker().unwrap().give_up("a test says so".to_owned());
    for entry in [a, b] {
        let (exit, _) = tokio::time::timeout(LONG, entry.wait()).await.unwrap();
        assert_eq!(exit.ending, Ending::WorkerDied);
        assert!(exit.message.contains("a test says so"), "{}", exit.message);
        assert!(entry.worker().is_none());
        lab.end(&entry.id).await;
    }
    assert!(!*fake.dead.borrow());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_domain_whose_workers_all_can_not_die_gets_a_bounded_number() {
    let lab = Lab::new().await;
    lab.undying(true);
    for number in 0..MAX_ENDING {
        let (entry, _) = tokio::join!(lab.run(of("ns", &format!("c{number}"))), async {
            lab.fake().await.obey();
        });
        let worker = entry.unwrap().worker().unwrap();
        worker.give_up("a test says so".to_owned());
    }
    let refused = lab.run(of("ns", "more")).await.err().unwrap().to_string();
    assert!(refused.contains("file system"), "{refused}");
    let (other, ()) = tokio::join!(lab.run(of("ns-other", "other")), async {
        lab.fake().await.obey();
    });
    assert!(other.unwrap().runs());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_speaks_for_its_own_containers_alone() {
    let lab = Lab::new().await;
    let (mine, fake) = tokio::join!(lab.run(of("ns-mine", "mine")), async {
        let fake = lab.fake().await;
        fake.obey();
        fake
    });
    let (others, _) = tokio::join!(lab.run(of("ns-others", "others")), async {
        lab.fake().await.obey();
    });
    let exit = crate::record::State::killed();
    let ended = |id: &str| FromWorker::Ended {
        id: id.to_owned(),
        exit: exit.clone(),
    };
    fake.say(&ended("others")).await;
    fake.say(&ended("mine")).await;
    tokio::time::timeout(LONG, mine.unwrap().wait()).await.unwrap();
    assert!(others.unwrap().runs());
}
