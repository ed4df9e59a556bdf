//! A directory whose file system never answers: who has it can be ended, others go on, and the process can't be killed.

use crate::support::{Worker, get, granted, guest};
use rustix::fs::CWD;
use rustix::mount::{OpenTreeFlags, open_tree};
use serde_json::json;
use shoal_protocol::{Ending, ToWorker};
use shoal_silent_fs::{Answers, SilentFs};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

/// As the daemon gives one to a task.
fn detached(folder: &Path) -> OwnedFd {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    open_tree(CWD, folder, flags).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_whose_directory_never_answers_are_ended_and_others_start_beside_them() {
    let (hung, plain) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::set_permissions(plain.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::write(plain.path().join("greeting"), "ahoy").unwrap();
    let code = guest("http_files").await;
    let mut worker = Worker::start_for_directories();
    // Dropped before the worker, which can't end before.
    let silent = SilentFs::mount(hung.path(), Answers::Root).unwrap();
    worker
        .directories
        .insert("hung".to_owned(), detached(hung.path()));
    worker
        .directories
        .insert("plain".to_owned(), detached(plain.path()));
    let of = |id: &str, volume: &str| {
        let grant = json!({"filesystem": [{"volume": volume, "mountPath": "/data", "readOnly": true}]});
        granted(id, &code, grant)
    };
    // More than the worker has threads for guests.
    let stuck: Vec<String> = (0..8).map(|number| format!("stuck-{number}")).collect();
    for id in &stuck {
        worker.send_task(of(id, "hung"), &code).await;
    }
    for id in ["a", "b", "c"] {
        let ends = worker.start_task(of(id, "plain"), &code).await;
        let answer = get(ends.address, "/?op=read&path=/data/greeting").await;
        assert!(answer.contains("ahoy"), "{answer}");
    }
    assert!(silent.asked() > 0);
    // A pod gets a bounded number of threads that may be lost.
    for number in 0..4 {
        let mut task = of(&format!("again-{number}"), "hung");
        task.sandbox = "again".to_owned();
        worker.send_task(task, &code).await;
    }
    let mut task = of("refused", "hung");
    task.sandbox = "again".to_owned();
    worker.send_task(task, &code).await;
    let reason = worker.started("refused").await.expect("refused");
    assert!(reason.contains("file systems"), "{reason}");
    for id in &stuck {
        worker.tell(&ToWorker::Kill { id: id.clone() }, &[]).await;
        assert_eq!(worker.ended(id).await.ending, Ending::Killed);
    }
    // What shoald then meets: SIGKILL does not end it, as long as the file system is there.
    worker.child.kill().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert!(worker.child.try_wait().unwrap().is_none());
    drop(silent);
    worker.child.wait().unwrap();
}
