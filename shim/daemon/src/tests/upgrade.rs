//! Containers that move from one worker to another while they run.

use super::fake::{Fake, LONG, Lab, container_in};
use crate::entry::Entry;
use crate::error::Error;
use crate::node::lock;
use crate::record::Container;
use crate::upgrade::{Outcome, Stays};
use crate::worker::Worker;
use serde_json::json;
use shoal_protocol::{Ending, FromWorker, Role, TaskState, ToWorker};
use std::sync::Arc;

fn serving(id: &str, sandbox: &str) -> Container {
    let mut container = container_in("ns", id, sandbox, json!({"name": "main"}));
    let program = container.program.as_mut().unwrap();
    Arc::make_mut(program).task.role = Role::Serve;
    container
}

/// A node with one container, in a worker that says nothing by itself.
async fn one(container: Container) -> (Lab, Arc<Entry>, Fake) {
    let lab = Lab::new().await;
    let id = container.id.clone();
    let (entry, fake) = tokio::join!(lab.run(container), async {
        let fake = lab.fake().await;
        assert!(matches!(fake.hear().await, ToWorker::Start { .. }));
        fake.say(&FromWorker::Started { id }).await;
        fake
    });
    let entry = entry.unwrap();
    *lock(&lab.build) = "two".to_owned();
    (lab, entry, fake)
}

async fn upgrade(lab: &Lab, old: &Arc<Worker>) -> Result<Outcome, Error> {
    tokio::time::timeout(LONG, lab.node.upgrade_worker(old))
        .await
        .unwrap()
}

async fn answers(fake: &Fake) {
    let state = FromWorker::State {
        version: None,
        tasks: Vec::new(),
    };
    fake.say(&state).await;
}

fn named(id: &str) -> String {
    id.to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_move_moves_and_new_containers_follow() {
    let lab = Lab::new().await;
    let (a, _) = tokio::join!(lab.run(serving("a", "p")), async { lab.fake().await.obey() });
    let (a, b) = (a.unwrap(), lab.run(serving("b", "p")).await.unwrap());
    let once = container_in("ns", "once", "q", json!({"name": "main"}));
    let once = lab.run(once).await.unwrap();
    *lock(&lab.build) = "two".to_owned();
    let old = a.worker().unwrap();
    let (outcome, _) = tokio::join!(upgrade(&lab, &old), async { lab.fake().await.obey() });
    let outcome = outcome.unwrap();
    assert_eq!(outcome.moved, 2);
    assert_eq!(
        outcome.stay.into_iter().collect::<Vec<_>>(),
        [(named("once"), Stays::RunsOnce)]
    );
    let new = a.worker().unwrap();
    assert_eq!(new.record.program, "two");
    assert!(Arc::ptr_eq(&new, &b.worker().unwrap()));
    assert!(Arc::ptr_eq(&old, &once.worker().unwrap()));
    assert!(a.runs() && b.runs() && once.runs());
    assert_eq!(
        a.get().worker,
        Some(new.record.name()),
        "the next daemon finds it there"
    );
    let later = lab.run(serving("c", "r")).await.unwrap();
    assert!(Arc::ptr_eq(&new, &later.worker().unwrap()));
    // Each ends where it is.
    for id in ["a", "once"] {
        lab.end(id).await;
    }
    assert!(b.runs() && old.is_idle());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_crashes_at_its_start_changes_nothing() {
    let (lab, a, fake) = one(serving("a", "p")).await;
    let old = a.worker().unwrap();
    let (failed, _) = tokio::join!(upgrade(&lab, &old), async {
        lab.fake().await.dead.send_replace(true);
    });
    failed.unwrap_err();
    assert!(a.runs() && Arc::ptr_eq(&old, &a.worker().unwrap()));
    // It was told nothing, and takes what comes.
    fake.obey();
    let b = lab.run(serving("b", "q")).await.unwrap();
    assert!(Arc::ptr_eq(&old, &b.worker().unwrap()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_in_which_nothing_runs_any_more_holds_up_no_other() {
    let lab = Lab::new().await;
    let (a, _) = tokio::join!(lab.run(serving("a", "p")), async { lab.fake().await.obey() });
    let gone = container_in("pod-q", "gone", "q", json!({"name": "main"}));
    let (gone, _) = tokio::join!(lab.run(gone), async { lab.fake().await.obey() });
    let (a, _) = (a.unwrap(), gone.unwrap());
    lab.end("gone").await;
    *lock(&lab.build) = "two".to_owned();
    let upgrading = tokio::time::timeout(LONG, lab.node.upgrade());
    let (upgraded, ()) = tokio::join!(upgrading, async {
        // The network of its pod is gone.
        lab.fake().await.dead.send_replace(true);
        lab.fake().await.obey();
    });
    upgraded.unwrap();
    assert_eq!(a.worker().unwrap().record.program, "two");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_refuses_the_first_pod_gets_none() {
    for crashes in [false, true] {
        let (lab, a, fake) = one(serving("a", "p")).await;
        let old = a.worker().unwrap();
        let (failed, _) = tokio::join!(upgrade(&lab, &old), async {
            let new = lab.fake().await;
            answers(&new).await;
            assert!(matches!(new.hear().await, ToWorker::Start { .. }));
            if crashes {
                new.dead.send_replace(true);
            } else {
                let reason = named("no such import");
                new.say(&FromWorker::Failed {
                    id: named("a"),
                    reason,
                })
                .await;
            }
        });
        failed.unwrap_err();
        assert!(a.runs() && Arc::ptr_eq(&old, &a.worker().unwrap()));
        fake.obey();
        lab.end("a").await;
        assert_eq!(a.wait().await.0.ending, Ending::Killed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_what_has_moved_is_told_to_nobody() {
    let (lab, a, fake) = one(serving("a", "p")).await;
    let old = a.worker().unwrap();
    let (outcome, _new) = tokio::join!(upgrade(&lab, &old), async {
        let new = lab.fake().await;
        new.obey();
        new
    });
    assert_eq!(outcome.unwrap().moved, 1);
    assert_eq!(fake.hear().await, ToWorker::Stop { id: named("a") });
    // What is in flight there may still ask for what it was granted: here nothing, but it is a container's question.
    let address = "127.0.0.1:1".parse().unwrap();
    let (ticket, id) = (7, named("a"));
    fake.say(&FromWorker::Connect { ticket, id, address }).await;
    match fake.hear().await {
        ToWorker::Connected {
            error: Some(refused), ..
        } => {
            assert!(refused.message.contains("not granted"), "{}", refused.message);
        }
        other => panic!("{other:?}"),
    }
    assert!(!old.is_idle());
    let exit = crate::record::State::killed();
    fake.say(&FromWorker::Ended { id: named("a"), exit }).await;
    assert_eq!(fake.hear().await, ToWorker::Forget { id: named("a") });
    assert!(a.runs() && old.is_idle());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_asked_to_end_while_it_moves_ends() {
    let (lab, a, fake) = one(serving("a", "p")).await;
    let old = a.worker().unwrap();
    let (outcome, new) = tokio::join!(upgrade(&lab, &old), async {
        let new = lab.fake().await;
        answers(&new).await;
        assert!(matches!(new.hear().await, ToWorker::Start { .. }));
        lab.node.kill("a", 15).await.unwrap();
        assert_eq!(fake.hear().await, ToWorker::Stop { id: named("a") });
        new.say(&FromWorker::Started { id: named("a") }).await;
        new
    });
    assert_eq!(outcome.unwrap().moved, 1);
    assert_eq!(new.hear().await, ToWorker::Stop { id: named("a") });
    let exit = crate::record::State::killed();
    new.say(&FromWorker::Ended { id: named("a"), exit }).await;
    tokio::time::timeout(LONG, a.wait()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_finds_a_move_half_done_has_it_finished() {
    let (lab, a, fake) = one(serving("a", "p")).await;
    let old = a.worker().unwrap();
    let (outcome, _new) = tokio::join!(upgrade(&lab, &old), async { lab.fake().await.obey() });
    outcome.unwrap();
    assert_eq!(fake.hear().await, ToWorker::Stop { id: named("a") });
    // As a daemon that was started after that knows it.
    old.moves.forget("a");
    let tasks = vec![TaskState {
        id: named("a"),
        exit: None,
    }];
    fake.say(&FromWorker::State { version: None, tasks }).await;
    assert_eq!(fake.hear().await, ToWorker::Stop { id: named("a") });
    assert!(a.runs());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_would_be_lost_stays() {
    let memory = json!([{"name": "s", "memory": {}}]);
    let file = json!([{"name": "s", "persistent": {"volume": "v"}}]);
    let front = |names: [&str; 2]| Some(names.map(|it| (named("/"), named(it))).to_vec());
    for (stores, front, reason) in [
        (memory, None, Some(Stays::MemoryStore)),
        (file, None, Some(Stays::PersistentStore)),
        (json!([{"name": "s", "redis": {"url": "redis://r"}}]), None, None),
        (json!([]), front(["main", "other"]), Some(Stays::Together)),
        (json!([]), front(["main", "main"]), None),
    ] {
        let mut container = serving("a", "p");
        let task = &mut Arc::make_mut(container.program.as_mut().unwrap()).task;
        task.stores = serde_json::from_value(stores).unwrap();
        task.front = front;
        let found = crate::upgrade::stays(container.program.as_ref().unwrap());
        assert_eq!(found, reason);
    }
}
