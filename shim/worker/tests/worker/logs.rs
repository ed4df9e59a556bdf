//! Logs that are read late, or never: who waits for them, and who does not.

use crate::support::{Ends, Worker, get, guest, line, task};
use shoal_protocol::{Ending, FromWorker, Role, Task, ToWorker};
use std::io::Read;
use std::time::Duration;

const LONG: usize = 40_000;
const LINES: usize = 100_000;

async fn printer(worker: &mut Worker, id: &str) -> Ends {
    let code = guest("command_print").await;
    let mut task = patient(task(id, &code));
    task.component.args = vec![LONG.to_string(), LINES.to_string()];
    worker.start_task(task, &code).await
}

/// Its time is not what ends it.
fn patient(mut task: Task) -> Task {
    task.component.limits.cpu_time = shoal_api::Duration::from_secs(600);
    task.component.limits.request_timeout = shoal_api::Duration::from_secs(600);
    task
}

async fn all(pipe: std::io::PipeReader) -> String {
    let mut pipe = pipe;
    let reading = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).unwrap();
        text
    });
    reading.await.unwrap()
}

#[tokio::test]
async fn programs_wait_for_the_readers_of_their_logs_and_nobody_else_does() {
    let mut worker = Worker::start();
    // More than the worker has threads for guests.
    let mut printers = Vec::new();
    for number in 0..8 {
        let id = format!("printer-{number}");
        printers.push((printer(&mut worker, &id).await, id));
    }
    let code = guest("http_hello").await;
    for id in ["a", "b"] {
        let ends = worker.start_task(task(id, &code), &code).await;
        for _ in 0..20 {
            let answer = get(ends.address, "/").await;
            assert!(answer.contains("hello, world\n"), "{answer}");
        }
    }
    let running = worker.state().await;
    let waits = |id: &String| running.iter().any(|it| it.id == *id && it.exit.is_none());
    assert!(printers.iter().all(|(_, id)| waits(id)), "{running:?}");
    // One that waits can be ended.
    let (_unread, id) = printers.pop().unwrap();
    worker.tell(&ToWorker::Kill { id: id.clone() }, &[]).await;
    assert_eq!(worker.ended(&id).await.ending, Ending::Killed);
    let mut expected = "x".repeat(LONG) + "\n";
    for n in 0..LINES {
        expected += &format!("{n:06} of those that are kept\n");
    }
    let reading: Vec<_> = printers
        .into_iter()
        .map(|(ends, id)| (tokio::spawn(all(ends.stdout)), ends.stderr, id))
        .collect();
    for (stdout, stderr, id) in reading {
        assert_eq!(worker.ended(&id).await.ending, Ending::Completed(0));
        let printed = stdout.await.unwrap();
        assert!(printed == expected, "{id}: {} bytes", printed.len());
        assert_eq!(line(&stderr).await, "done");
    }
}

#[tokio::test]
async fn an_answer_waits_for_no_reader_that_is_gone_and_what_is_lost_is_counted() {
    let mut worker = Worker::start();
    let code = guest("http_log").await;
    let task = patient(task("web", &code));
    assert_eq!(task.role, Role::Serve);
    let ends = worker.start_task(task, &code).await;
    // About 500 KB for each stream, of which the pipe and the worker take a quarter.
    let text = "x".repeat(200);
    for _ in 0..2 {
        let answer = get(ends.address, &format!("/?lines=1200&text={text}")).await;
        assert!(answer.contains("logged\n"), "{answer}");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let dropped = worker.hear(|packet| match packet {
        FromWorker::Usage { tasks } => tasks.iter().map(|it| it.log_dropped).find(|it| *it > 0),
        _ => None,
    });
    let dropped = dropped.await;
    assert!(dropped > 200, "a line at least: {dropped}");
    let id = "web".to_owned();
    let reading = tokio::spawn(all(ends.stdout));
    let errors = tokio::spawn(all(ends.stderr));
    worker.tell(&ToWorker::Kill { id: id.clone() }, &[]).await;
    assert_eq!(worker.ended(&id).await.ending, Ending::Killed);
    for (stream, text) in [("stdout", reading), ("stderr", errors)] {
        let text = text.await.unwrap();
        let whole = text
            .lines()
            .all(|it| it.starts_with(&format!("{stream} ")) || it.starts_with("shoal: "));
        assert!(whole, "{stream}");
    }
}
