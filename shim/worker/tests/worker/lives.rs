//! A worker outlives daemons, and holds nothing that it does not need.

use crate::support::{USER, Worker, get, granted, guest, task};
use serde_json::json;
use shoal_protocol::{Ending, FromWorker, TaskState, ToWorker, Version};

#[tokio::test]
async fn every_thread_is_confined() {
    let mut worker = Worker::start();
    let code = guest("http_hello").await;
    let ends = worker.start_task(task("a", &code), &code).await;
    assert!(get(ends.address, "/").await.starts_with("HTTP/1.1 200"));
    let statuses = worker.statuses();
    assert!(statuses.len() > 3, "runtime, ticker, log");
    for status in statuses {
        let field = |name: &str| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.unwrap_or_else(|| panic!("{name} of {status}"))
                .split_whitespace()
                .collect::<Vec<_>>()
        };
        let user = USER.to_string();
        assert_eq!(field("Uid"), [user.as_str(); 4]);
        assert_eq!(field("Gid"), [user.as_str(); 4]);
        assert!(field("Groups").is_empty());
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(field(set), ["0000000000000000"], "{set}");
        }
        assert_eq!(field("NoNewPrivs"), ["1"]);
        assert_eq!(field("Seccomp"), ["2"]);
    }
}

#[tokio::test]
async fn it_sees_its_code_and_holds_what_it_was_given() {
    let mut worker = Worker::start();
    let code = guest("http_hello").await;
    let ends = worker.start_task(task("a", &code), &code).await;
    assert!(get(ends.address, "/").await.starts_with("HTTP/1.1 200"));
    let pid = worker.child.id();
    for namespace in ["net", "mnt", "ipc", "uts"] {
        let of = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/{namespace}")).unwrap();
        assert_ne!(of(&pid.to_string()), of("self"), "{namespace}");
    }
    let mounts = std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    assert_eq!(mounts.lines().count(), 1, "{mounts}");
    assert!(mounts.contains(" / ro,nosuid,nodev"), "{mounts}");
    let root = std::fs::read_dir(format!("/proc/{pid}/root")).unwrap();
    assert_eq!(root.count(), 1, "the code of its one task");
    for file in std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
        let file = file.unwrap();
        let number: u32 = file.file_name().to_str().unwrap().parse().unwrap();
        let target = std::fs::read_link(file.path()).unwrap();
        let target = target.to_str().unwrap();
        let harmless = [
            "socket:",
            "pipe:",
            "anon_inode:[eventpoll]",
            "anon_inode:[eventfd]",
        ];
        let known = harmless.iter().any(|kind| target.starts_with(kind))
            || target.ends_with("/pagemap")
            || target.ends_with(".cwasm")
            // Null, and the log.
            || number < 3;
        assert!(known, "{number} -> {target}");
    }
}

#[tokio::test]
async fn a_new_daemon_is_told_what_runs_and_what_has_ended() {
    let mut worker = Worker::start();
    let (hello, trap) = (guest("http_hello").await, guest("command_trap").await);
    let ends = worker.start_task(task("a", &hello), &hello).await;
    worker.start_task(task("b", &trap), &trap).await;
    let exit = worker.ended("b").await;
    worker.restart_daemon();
    let running = TaskState {
        id: "a".to_owned(),
        exit: None,
    };
    let ended = TaskState {
        id: "b".to_owned(),
        exit: Some(exit.clone()),
    };
    assert_eq!(worker.state().await, [running.clone(), ended]);
    assert!(get(ends.address, "/").await.starts_with("HTTP/1.1 200"));
    // Asked again for what runs, or has run, it starts nothing anew.
    let second = worker.start_task(task("a", &hello), &hello).await;
    assert!(crate::support::try_get(second.address, "/").is_err());
    worker.send_task(task("b", &trap), &trap).await;
    assert_eq!(worker.ended("b").await, exit);
    worker.tell(&ToWorker::Forget { id: "b".to_owned() }, &[]).await;
    assert_eq!(worker.state().await, [running]);
}

#[tokio::test]
async fn a_question_to_a_daemon_that_died_is_asked_of_the_next() {
    let mut worker = Worker::start();
    let code = guest("http_outbound").await;
    let grant = json!({"network": {"outbound": [{"host": "db.example", "ports": [80]}]}});
    let ends = worker.start_task(granted("a", &code, grant), &code).await;
    let asked = tokio::spawn(async move { get(ends.address, "/?url=http://db.example/").await });
    let question = |packet: &FromWorker| match packet {
        FromWorker::Resolve { ticket, name, .. } => Some((*ticket, name.clone())),
        _ => None,
    };
    let first = worker.hear(question).await;
    worker.restart_daemon();
    worker.state().await;
    let (ticket, name) = worker.hear(question).await;
    assert_eq!((ticket, name), first);
    let refused = shoal_protocol::Refused {
        errno: 2,
        message: "no such name".to_owned(),
    };
    let addresses = Err(refused);
    worker.tell(&ToWorker::Resolved { ticket, addresses }, &[]).await;
    assert!(asked.await.unwrap().starts_with("HTTP/1.1 502"));
}

#[tokio::test]
async fn a_task_that_was_forgotten_can_be_started_again() {
    let mut worker = Worker::start();
    let code = guest("command_exit_code").await;
    for _ in 0..2 {
        worker.start_task(task("a", &code), &code).await;
        assert_eq!(worker.ended("a").await.ending, Ending::Completed(0));
        worker.tell(&ToWorker::Forget { id: "a".to_owned() }, &[]).await;
    }
}

#[tokio::test]
async fn a_worker_whose_channel_is_closed_ends() {
    let mut worker = Worker::start();
    assert_eq!(worker.state().await, []);
    let status = tokio::task::spawn_blocking(move || worker.close()).await.unwrap();
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn a_worker_says_its_version_and_skips_what_it_does_not_know() {
    let mut worker = Worker::start();
    worker.say(json!({"sing": {"id": "a"}})).await;
    worker.say(json!("dance")).await;
    // As version 1 greets, and a newer one.
    for hello in [
        json!("hello"),
        json!({"hello": {"protocol": 9, "build": "9.1.0", "since": 1}}),
    ] {
        worker.say(hello).await;
        let version = worker
            .hear(|packet| match packet {
                FromWorker::State { version, .. } => Some(version.clone()),
                _ => None,
            })
            .await;
        assert_eq!(version, Version::ours());
    }
}

#[tokio::test]
async fn a_task_that_only_a_newer_worker_can_run_is_refused() {
    let mut worker = Worker::start();
    worker
        .say(json!({"start": {"task": {"id": "a", "role": "dream"}}}))
        .await;
    let reason = worker.started("a").await.unwrap();
    assert!(reason.contains("needs a newer shoal-worker"), "{reason}");
    assert_eq!(worker.state().await, []);
}
