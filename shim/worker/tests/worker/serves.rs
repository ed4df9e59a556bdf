//! Tasks that answer requests.

use crate::support::{Worker, get, granted, guest, line, task, try_get};
use serde_json::json;
use shoal_protocol::{Ending, FromWorker, ToWorker};

#[tokio::test]
async fn a_component_answers_on_the_socket_that_it_was_given() {
    let mut worker = Worker::start();
    for name in ["http_hello", "http3_hello", "service_plain"] {
        let code = guest(name).await;
        let ends = worker.start_task(task(name, &code), &code).await;
        for _ in 0..3 {
            let answer = get(ends.address, "/").await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{name}: {answer}");
        }
        let usage = worker.hear(|packet| match packet {
            FromWorker::Usage { tasks } => tasks.iter().find(|it| it.id == name && it.requests == 3).cloned(),
            _ => None,
        });
        assert_eq!(usage.await.memory, 0, "{name}: no instance is left");
    }
}

#[tokio::test]
async fn containers_of_a_pod_share_its_stores_and_no_other_pod_does() {
    let mut worker = Worker::start();
    let code = guest("http_kv").await;
    let mut ends = Vec::new();
    for (id, pod, read_only) in [
        ("writes", "one", false),
        ("reads", "one", true),
        ("apart", "two", false),
    ] {
        let grant = json!({"keyValue": [{"name": "default", "store": "visits", "readOnly": read_only}]});
        let mut task = granted(id, &code, grant);
        task.sandbox = pod.to_owned();
        task.stores = vec![serde_json::from_value(json!({"name": "visits", "memory": {}})).unwrap()];
        ends.push(worker.start_task(task, &code).await.address);
    }
    let set = get(ends[0], "/?op=set&key=a&value=1").await;
    assert!(set.starts_with("HTTP/1.1 200"), "{set}");
    let denied = get(ends[1], "/?op=set&key=a&value=2").await;
    assert!(denied.contains("access-denied"), "{denied}");
    for (at, has) in [(0, "true"), (1, "true"), (2, "false")] {
        let said = get(ends[at], "/?op=exists&key=a").await;
        assert!(said.contains(has), "{at}: {said}");
    }
    // The store goes with the last container that has it.
    for id in ["writes", "reads"] {
        worker.tell(&ToWorker::Kill { id: id.to_owned() }, &[]).await;
        worker.ended(id).await;
    }
    let mut task = granted(
        "anew",
        &code,
        json!({"keyValue": [{"name": "default", "store": "visits"}]}),
    );
    task.sandbox = "one".to_owned();
    task.stores = vec![serde_json::from_value(json!({"name": "visits", "memory": {}})).unwrap()];
    let anew = worker.start_task(task, &code).await.address;
    let said = get(anew, "/?op=exists&key=a").await;
    assert!(said.contains("false"), "{said}");
}

#[tokio::test]
async fn a_store_in_a_file_is_written_by_a_worker_that_can_open_none() {
    let code = guest("http_kv").await;
    let grant = json!({"keyValue": [{"name": "default", "store": "visits"}]});
    let task = |id, pod: &str| {
        let mut task = granted(id, &code, grant.clone());
        task.sandbox = pod.to_owned();
        let store = json!({"name": "visits", "persistent": {"volume": "data"}});
        task.stores = vec![serde_json::from_value(store).unwrap()];
        task
    };
    let mut worker = Worker::start();
    for (id, wanted) in [("one", "1"), ("beside", "2")] {
        let ends = worker.start_task(task(id, "pod"), &code).await;
        let said = get(ends.address, "/?op=increment&key=a&delta=1").await;
        assert!(said.contains(&format!("\r\n{wanted}\n")), "{id}: {said}");
    }
    // Another pod opens the file for itself, and finds that it has a writer.
    worker.send_task(task("other", "other"), &code).await;
    let reason = worker.started("other").await.unwrap();
    assert!(
        reason.contains("store visits") && reason.contains("one writer"),
        "{reason}"
    );
    // A worker that is killed leaves what it said was written.
    let mut next = worker.killed();
    let ends = next.start_task(task("one", "pod"), &code).await;
    let said = get(ends.address, "/?op=increment&key=a&delta=1").await;
    assert!(said.contains("\r\n3\n"), "{said}");
}

#[tokio::test]
async fn requests_in_flight_finish_before_a_task_ends() {
    let mut worker = Worker::start();
    let code = guest("http_sleep").await;
    let ends = worker.start_task(task("a", &code), &code).await;
    let answer = tokio::spawn(async move { get(ends.address, "/?ms=1500").await });
    // It is in flight once its memory is counted.
    let usage = worker.hear(|packet| match packet {
        FromWorker::Usage { tasks } => tasks.iter().find(|it| it.requests == 1 && it.memory > 0).cloned(),
        _ => None,
    });
    usage.await;
    worker.tell(&ToWorker::Stop { id: "a".to_owned() }, &[]).await;
    let answer = answer.await.unwrap();
    assert!(answer.contains("slept 1500 ms\n"), "{answer}");
    let exit = worker.ended("a").await;
    assert_eq!((exit.ending, exit.message.as_str()), (Ending::Completed(0), ""));
    assert!(try_get(ends.address, "/").is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_task_that_is_killed_ends_at_once() {
    let mut worker = Worker::start();
    let code = guest("http_sleep").await;
    let ends = worker.start_task(task("a", &code), &code).await;
    let asked = tokio::task::spawn_blocking(move || try_get(ends.address, "/?ms=9000"));
    let usage = worker.hear(|packet| match packet {
        FromWorker::Usage { tasks } => tasks.iter().find(|it| it.memory > 0).cloned(),
        _ => None,
    });
    usage.await;
    worker.tell(&ToWorker::Stop { id: "a".to_owned() }, &[]).await;
    worker.tell(&ToWorker::Kill { id: "a".to_owned() }, &[]).await;
    assert_eq!(worker.ended("a").await.ending, Ending::Killed);
    let answer = asked.await.unwrap();
    assert!(
        !answer.is_ok_and(|it| it.contains("slept")),
        "its connection is closed"
    );
    assert!(try_get(ends.address, "/").is_err(), "nobody listens any more");
}

#[tokio::test]
async fn lines_of_guests_go_to_the_tasks_own_pipes() {
    let mut worker = Worker::start();
    let code = guest("http_log").await;
    let one = worker.start_task(task("one", &code), &code).await;
    let other = worker.start_task(task("other", &code), &code).await;
    get(one.address, "/?text=first").await;
    get(other.address, "/?text=second").await;
    assert_eq!(line(&one.stdout).await, "stdout 1: first");
    assert_eq!(line(&one.stderr).await, "stderr 1: first");
    assert_eq!(line(&other.stdout).await, "stdout 1: second");
    assert_eq!(line(&other.stderr).await, "stderr 1: second");
}

#[tokio::test]
async fn a_trap_is_an_answer_and_the_task_goes_on() {
    let mut worker = Worker::start();
    let code = guest("hostile_trap_in_handler").await;
    let ends = worker.start_task(task("a", &code), &code).await;
    for _ in 0..3 {
        let answer = get(ends.address, "/").await;
        assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
    }
    assert_eq!(worker.state().await[0].exit, None);
}

/// Whatever wasmtime, the allocator and the runtime need of the system for these, the filter leaves them.
#[tokio::test]
async fn guests_of_all_kinds_run_and_none_takes_the_worker_along() {
    const GUESTS: &[&str] = &[
        "hostile_bulk_memory",
        "hostile_deep_recursion",
        "hostile_divide_by_zero",
        "hostile_endless_host_calls",
        "hostile_huge_response",
        "hostile_leaked_timers",
        "hostile_log_flood",
        "hostile_memory_bomb_fast",
        "hostile_oob_memory",
        "hostile_p3_endless_loop",
        "hostile_p3_subtasks",
        "hostile_random_huge",
        "hostile_start_never_ends",
        "hostile_table_bomb",
        "http3_echo",
        "http_big_headers",
        "http_clock",
        "http_env",
        "http_files",
        "http_memory",
        "http_random",
        "http_slow_stream",
    ];
    let mut worker = Worker::start();
    let mut asked = Vec::new();
    for name in GUESTS {
        let code = guest(name).await;
        let mut task = task(name, &code);
        task.component.limits.cpu_time = "200ms".parse().unwrap();
        task.component.limits.request_timeout = "2s".parse().unwrap();
        let ends = worker.start_task(task, &code).await;
        let get = move || (try_get(ends.address, "/"), ends);
        asked.push(tokio::task::spawn_blocking(get));
    }
    for (asked, name) in asked.into_iter().zip(GUESTS) {
        let (answer, _ends) = asked.await.unwrap();
        // Some say 4xx, for nothing was granted to them.
        let well = answer
            .as_ref()
            .is_ok_and(|it| it.starts_with("HTTP/1.1 2") || it.starts_with("HTTP/1.1 4"));
        assert!(well || name.starts_with("hostile"), "{name}: {answer:?}");
    }
    for task in worker.state().await {
        // Whether it can start is tried before anybody asks it.
        let cannot_start = task.id == "hostile_start_never_ends";
        assert_eq!(task.exit.is_some(), cannot_start, "{task:?}");
    }
    let code = guest("http_hello").await;
    let ends = worker.start_task(task("last", &code), &code).await;
    assert!(get(ends.address, "/").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn what_computes_is_counted_and_stops_nobody() {
    let mut worker = Worker::start();
    let (spin, hello) = (guest("hostile_endless_loop").await, guest("http_hello").await);
    let spins = worker.start_task(task("spins", &spin), &spin).await;
    let hellos = worker.start_task(task("hellos", &hello), &hello).await;
    let spinning = tokio::spawn(async move { get(spins.address, "/").await });
    assert!(get(hellos.address, "/").await.starts_with("HTTP/1.1 200"));
    assert!(spinning.await.unwrap().contains("limits.cpuTime"));
    let used = worker.hear(|packet| match packet {
        FromWorker::Usage { tasks } => tasks
            .iter()
            .find(|it| it.id == "spins" && it.memory == 0)
            .cloned(),
        _ => None,
    });
    let used = std::time::Duration::from_nanos(used.await.cpu_ns);
    assert!(used.as_millis() >= 1000, "{used:?}: its limit is a second");
}

/// KiB of `/proc/PID/smaps_rollup`.
fn memory(worker: &Worker, field: &str) -> i64 {
    let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", worker.child.id())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn five_hundred_pods_of_an_image_cost_little_beyond_the_first() {
    const PODS: i64 = 500;
    let mut worker = Worker::start();
    let code = guest("http_hello").await;
    let first = worker.start_task(task("first", &code), &code).await;
    assert!(get(first.address, "/").await.starts_with("HTTP/1.1 200"));
    let before = ["Pss:", "Private_Dirty:"].map(|it| memory(&worker, it));
    let mut pods = Vec::new();
    for pod in 0..PODS {
        pods.push(worker.start_task(task(&format!("pod-{pod}"), &code), &code).await);
    }
    for pod in &pods {
        assert!(get(pod.address, "/").await.starts_with("HTTP/1.1 200"));
    }
    let after = ["Pss:", "Private_Dirty:"].map(|it| memory(&worker, it));
    let each = [0, 1].map(|it| (after[it] - before[it]) / PODS);
    println!("KiB for the first: {before:?}, for each of {PODS}: {each:?} (PSS, private dirty)");
    assert!(each[0] < 50, "a quarter of what a pod may cost");
}
