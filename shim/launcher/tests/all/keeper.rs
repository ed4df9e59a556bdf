//! What containerd sees of a node whose daemon is killed, and what the next daemon is given.

use std::os::unix::fs::PermissionsExt;

use containerd_shim_protos::api::{
    ConnectRequest, CreateTaskRequest, DeleteRequest, ShutdownRequest, StartRequest, StateRequest,
    WaitRequest,
};
use containerd_shim_protos::shim_async::TaskClient;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::node::{End, Node, context, pid, until};

async fn told(client: &TaskClient) -> Value {
    let state = client
        .state(context(), &StateRequest::default())
        .await
        .expect("answered");
    serde_json::from_str(&state.bundle).expect("JSON")
}

async fn wait(client: &TaskClient, id: &str) -> u32 {
    let request = WaitRequest {
        id: id.into(),
        ..WaitRequest::default()
    };
    client
        .wait(context(), &request)
        .await
        .expect("answered")
        .exit_status
}

async fn which_daemon(client: &TaskClient) -> Pid {
    pid(client
        .connect(context(), &ConnectRequest::default())
        .await
        .expect("answered")
        .shim_pid)
}

async fn sleeper(client: &TaskClient) -> Pid {
    pid(client
        .create(context(), &CreateTaskRequest::default())
        .await
        .expect("answered")
        .pid)
}

#[tokio::test]
async fn a_hundred_starts_at_once_make_one_keeper() {
    let node = Node::new();
    let starts: Vec<_> = (0..100)
        .map(|number| node.spawn_start(&format!("pod{number}")))
        .collect();
    let replies: Vec<_> = starts
        .into_iter()
        .map(|start| start.wait_with_output().expect("ended"))
        .collect();
    for reply in &replies {
        assert!(
            reply.status.success(),
            "{}",
            String::from_utf8_lossy(&reply.stderr)
        );
        assert_eq!(reply.stdout, replies[0].stdout);
        assert!(
            reply.stderr.is_empty(),
            "containerd takes standard error for the reply too"
        );
    }
    let here = format!("SHOAL_RUN={}", node.folders.run.display());
    let is_keeper = |process: &std::fs::DirEntry| {
        let read = |name| std::fs::read(process.path().join(name)).unwrap_or_default();
        let words = |bytes: Vec<u8>| {
            bytes
                .split(|byte| *byte == 0)
                .map(<[u8]>::to_vec)
                .collect::<Vec<_>>()
        };
        words(read("environ")).contains(&here.clone().into_bytes())
            && words(read("cmdline")).get(1).is_some_and(|word| word == b"keep")
    };
    let keepers = std::fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .filter(is_keeper)
        .count();
    assert_eq!(keepers, 1);
    until("a daemon listens", || !node.daemons().is_empty()).await;
    assert_eq!(node.daemons().len(), 1);
    let mode = |path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(node.folders.shim_socket()), 0o600);
    assert_eq!(
        (mode(node.folders.run.clone()), mode(node.folders.root.clone())),
        (0o700, 0o700)
    );
}

#[tokio::test]
async fn requests_in_flight_are_answered_by_the_next_daemon() {
    let node = Node::new();
    node.up().await;
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let client = node.client().await;
        waiting.push(tokio::spawn(async move {
            let (one, other) = tokio::join!(wait(&client, "over"), wait(&client, "over"));
            // The connection is still the one that was opened first: a client of ttrpc never opens another.
            (one, other, which_daemon(&client).await)
        }));
    }
    // Somebody who asks all the time, and is never refused.
    let client = node.client().await;
    let stop = node.file("over");
    let busy = tokio::spawn(async move {
        let mut answers = Vec::new();
        while !stop.exists() {
            answers.push(which_daemon(&client).await);
        }
        answers
    });
    for _ in 0..4 {
        let asked = || std::fs::read_to_string(node.file("asked")).unwrap_or_default();
        let daemon = node.daemons().pop().expect("a daemon").as_raw_nonzero();
        let by_this = format!("{daemon} over");
        until("all are asked", || {
            asked().lines().filter(|line| *line == by_this).count() == 40
        })
        .await;
        node.replace_daemon().await;
    }
    let last = node.daemons().pop().expect("a daemon");
    let asked = node.file("asked");
    until("the last is asked", || {
        let asked = std::fs::read_to_string(&asked).expect("a file");
        asked
            .lines()
            .filter(|line| line.starts_with(&last.as_raw_nonzero().to_string()))
            .count()
            == 40
    })
    .await;
    std::fs::write(node.file("over"), "").expect("written");
    for each in waiting {
        let (one, other, daemon) = each.await.expect("finished");
        assert_eq!((pid(one), pid(other), daemon), (last, last, last));
    }
    let mut answers = busy.await.expect("finished");
    answers.dedup();
    assert_eq!(
        answers,
        node.daemons(),
        "each daemon has answered, and none after it was dead"
    );
}

#[tokio::test]
async fn what_is_asked_while_no_daemon_runs_is_answered_later() {
    let node = Node::new();
    node.up().await;
    let client = node.client().await;
    std::fs::write(node.file("crash"), "").expect("written");
    kill_process(node.daemons()[0], Signal::KILL).expect("killed");
    until("several have died", || {
        node.log().matches("exit status: 3").count() >= 3
    })
    .await;
    let asked = tokio::spawn(async move { which_daemon(&client).await });
    let late = node.client().await;
    std::fs::remove_file(node.file("crash")).expect("removed");
    assert_eq!(asked.await.expect("finished"), which_daemon(&late).await);
}

#[tokio::test]
async fn descriptors_go_from_daemon_to_daemon() {
    let node = Node::new();
    node.up().await;
    let client = node.client().await;
    for id in ["a", "b", "c", "a"] {
        let request = StartRequest {
            id: id.into(),
            ..StartRequest::default()
        };
        client.start(context(), &request).await.expect("answered");
    }
    let request = DeleteRequest {
        id: "kept-b".into(),
        ..DeleteRequest::default()
    };
    client.delete(context(), &request).await.expect("answered");
    assert_eq!(told(&client).await["have"], json!({}));
    for _ in 0..2 {
        node.replace_daemon().await;
        assert_eq!(told(&client).await["have"], json!({"a": "a", "c": "c"}));
    }
    // More than a channel holds at once.
    for number in 0..500 {
        let request = StartRequest {
            id: number.to_string(),
            ..StartRequest::default()
        };
        client.start(context(), &request).await.expect("answered");
    }
    node.replace_daemon().await;
    assert_eq!(
        told(&client).await["have"].as_object().expect("an object").len(),
        502
    );
}

#[tokio::test]
async fn the_end_of_an_orphan_is_told() {
    let node = Node::new();
    node.up().await;
    let client = node.client().await;
    let (first, second) = (sleeper(&client).await, sleeper(&client).await);
    let ended = |process: Pid, status: i32| json!({"pid": process.as_raw_nonzero(), "status": status});
    node.replace_daemon().await;
    assert_eq!(told(&client).await["orphans"], json!([]));
    // While a daemon runs: it says that it has seen it, so no other is told.
    kill_process(first, Signal::KILL).expect("killed");
    while told(&client).await["exited"] != json!([ended(first, 9)]) {}
    // While none runs.
    std::fs::write(node.file("crash"), "").expect("written");
    let before = node.daemons();
    kill_process(*before.last().expect("a daemon"), Signal::KILL).expect("killed");
    until("no daemon runs", || node.log().contains("exit status: 3")).await;
    kill_process(second, Signal::TERM).expect("killed");
    std::fs::remove_file(node.file("crash")).expect("removed");
    until("another daemon listens", || node.daemons().len() > before.len()).await;
    let told = told(&client).await;
    let all = [&told["orphans"], &told["exited"]]
        .map(|list| list.as_array().expect("a list").clone())
        .concat();
    let own: Vec<_> = all
        .iter()
        .filter(|each| each["pid"] == json!(second.as_raw_nonzero()))
        .collect();
    assert_eq!(own, [&ended(second, 15)], "{told}");
    assert!(!all.contains(&ended(first, 9)), "{told}");
}

#[tokio::test]
async fn sigterm_leaves_nothing() {
    let node = Node::new();
    node.up().await;
    let client = node.client().await;
    let orphan = sleeper(&client).await;
    node.replace_daemon().await;
    let ends = [node.keeper().expect("a keeper"), node.daemons()[1], orphan]
        .map(|process| End::of(process).expect("it runs"));
    ends[0].signal(Signal::TERM);
    for end in &ends {
        assert!(end.has_come());
    }
    for socket in [node.folders.shim_socket(), node.folders.daemon_socket()] {
        assert!(!socket.exists(), "{}", socket.display());
    }
    assert!(
        client
            .connect(context(), &ConnectRequest::default())
            .await
            .is_err()
    );
    // And the next one starts as if nothing had been.
    let start = node.spawn_start("again").wait_with_output().expect("ended");
    assert!(
        start.status.success(),
        "{}",
        String::from_utf8_lossy(&start.stderr)
    );
    which_daemon(&node.client().await).await;
}

#[tokio::test]
async fn a_daemon_that_ends_well_ends_the_keeper() {
    let node = Node::new();
    node.up().await;
    let keeper = End::of(node.keeper().expect("a keeper")).expect("it runs");
    let outcome = node
        .client()
        .await
        .shutdown(context(), &ShutdownRequest::default())
        .await;
    assert!(outcome.is_err(), "nobody was left to answer");
    assert!(keeper.has_come());
    assert!(!node.folders.shim_socket().exists());
}

#[tokio::test]
async fn a_keeper_greets_daemons_and_skips_what_only_a_newer_one_asks_for() {
    let node = Node::new();
    node.up().await;
    for daemons in 1..=2 {
        until("the keeper has logged both", || {
            let log = node.log();
            let count = |text: &str| log.matches(text).count();
            count("does not know: sing") == daemons && count("the daemon is shoald ") == daemons
        })
        .await;
        which_daemon(&node.client().await).await;
        node.replace_daemon().await;
    }
}
