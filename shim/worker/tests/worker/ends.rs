//! How tasks end that are run once, and why some never begin.

use crate::support::{Worker, granted, guest, line, task};
use serde_json::json;
use shoal_protocol::{Ending, Exit, Task, ToWorker};

async fn end(worker: &mut Worker, name: &str, change: impl FnOnce(&mut Task)) -> Exit {
    let code = guest(name).await;
    let mut task = task(name, &code);
    change(&mut task);
    worker.start_task(task, &code).await;
    worker.ended(name).await
}

#[tokio::test]
async fn a_program_ends_with_its_own_code_and_its_last_words() {
    let mut worker = Worker::start();
    let exit = end(&mut worker, "command_exit_code", |task| {
        task.component.args = vec!["42".to_owned()];
    });
    assert_eq!(exit.await.ending, Ending::Completed(42));
    let code = guest("command_hello").await;
    let mut hello = task("hello", &code);
    hello.component.args = vec!["one".to_owned()];
    let ends = worker.start_task(hello, &code).await;
    assert_eq!(worker.ended("hello").await.ending, Ending::Completed(0));
    assert_eq!(line(&ends.stdout).await, "arg one");
    assert_eq!(line(&ends.stderr).await, "to stderr");
    let exit = end(&mut worker, "command3_hello", |_| {}).await;
    assert_eq!(exit.ending, Ending::Completed(0), "{exit:?}");
    let code = guest("command3_both").await;
    let ends = worker.start_task(task("both", &code), &code).await;
    assert_eq!(worker.ended("both").await.ending, Ending::Completed(0));
    assert_eq!(line(&ends.stdout).await, "run by 0.3");
}

#[tokio::test]
async fn a_core_module_ends_with_its_own_code_and_keeps_its_memory() {
    let mut worker = Worker::start();
    let code = guest("module_own_page").await;
    let ends = worker.start_task(task("own", &code), &code).await;
    assert_eq!(worker.ended("own").await.ending, Ending::Completed(3));
    assert_eq!(line(&ends.stdout).await, "mine");
    let exit = end(&mut worker, "module_hello", |task| {
        task.component.args = vec!["exit=201".to_owned()];
    });
    assert_eq!(exit.await.ending, Ending::Completed(201));
    let memory = end(&mut worker, "module_probe", |task| {
        task.component.args = vec!["memory".to_owned()];
    });
    assert_eq!(memory.await.ending, Ending::OutOfMemory);
}

#[tokio::test]
async fn each_way_to_end_badly_is_told_apart() {
    let mut worker = Worker::start();
    let trap = end(&mut worker, "command_trap", |_| {}).await;
    assert_eq!(trap.ending, Ending::Trap);
    assert!(trap.message.contains("unreachable"), "{trap:?}");
    let memory = end(&mut worker, "command_hello", |task| {
        task.component.limits.memory = shoal_api::Quantity::from_bytes(65536);
    });
    let memory = memory.await;
    assert_eq!(memory.ending, Ending::OutOfMemory);
    assert!(memory.message.starts_with("limits.memory"), "{memory:?}");
    let cpu = end(&mut worker, "command_loop", |_| {}).await;
    assert_eq!(cpu.ending, Ending::Deadline);
    assert!(cpu.message.starts_with("limits.cpuTime"), "{cpu:?}");
}

#[tokio::test]
async fn a_program_that_computes_for_ever_can_be_killed() {
    let mut worker = Worker::start();
    let code = guest("command_loop").await;
    let mut task = task("a", &code);
    task.component.limits.cpu_time = shoal_api::Duration::from_secs(3600);
    task.component.limits.request_timeout = shoal_api::Duration::from_secs(3600);
    let ends = worker.start_task(task, &code).await;
    assert_eq!(line(&ends.stdout).await, "before the loop");
    let id = "a".to_owned();
    worker.tell(&ToWorker::Stop { id: id.clone() }, &[]).await;
    worker.tell(&ToWorker::Kill { id }, &[]).await;
    assert_eq!(worker.ended("a").await.ending, Ending::Killed);
}

#[tokio::test]
async fn what_cannot_run_says_why_and_leaves_nothing_behind() {
    let mut worker = Worker::start();
    let code = guest("http_outbound").await;
    worker.send_task(task("ungranted", &code), &code).await;
    let reason = worker.started("ungranted").await.expect("it fails");
    assert!(
        reason.contains("wasi:http/outgoing-handler")
            && reason.contains("metadata.annotations[shoal.dev/capabilities]: network:"),
        "{reason}"
    );

    let code = guest("http_kv").await;
    let mut store = granted(
        "store",
        &code,
        json!({"keyValue": [{"name": "default", "store": "s"}]}),
    );
    let redis = json!({"name": "s", "redis": {"urlFrom": {"secretKeyRef": {"name": "r", "key": "url"}}}});
    store.stores = vec![serde_json::from_value(redis).unwrap()];
    worker.send_task(store, &code).await;
    let reason = worker.started("store").await.expect("it fails");
    assert!(
        reason.contains("there is no Secret r") && reason.contains("shoal.dev.secret.r..url"),
        "{reason}"
    );

    let code = guest("http_hello").await;
    for name in ["../etc/passwd", "", "missing.cwasm"] {
        let mut task = task("missing", &code);
        task.code = name.to_owned();
        worker.send(task).await;
        let reason = worker.started("missing").await.expect("it fails");
        assert!(reason.contains(name), "{reason}");
    }
    assert_eq!(worker.state().await, []);
}
