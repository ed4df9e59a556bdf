//! What containerd, and through it kubelet, is told of a container's life: events, and the message of its end.

use crate::entry::Entry;
use crate::files;
use crate::node::{Node, lock};
use crate::record::{Container, State};
use containerd_shim_protos::cgroups_v2::metrics::{CPUStat, MemoryEvents, MemoryStat, Metrics};
use containerd_shim_protos::events::task::{TaskCreate, TaskDelete, TaskExit, TaskIO, TaskOOM, TaskStart};
use containerd_shim_protos::protobuf::MessageField;
use containerd_shim_protos::protobuf::well_known_types::timestamp::Timestamp;
use containerd_shim_protos::topics;
use shoal_protocol::{Ending, Exit, Usage};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes that kubelet reads of a termination message.
const MESSAGE: usize = 4096;

/// The number that stands for a process where there is none: ours, as containerd wants one that exists.
pub(crate) fn pid() -> u32 {
    std::process::id()
}

pub(crate) fn created(node: &Node, container: &Container) {
    let event = TaskCreate {
        container_id: container.id.clone(),
        bundle: container.bundle.clone(),
        io: MessageField::some(TaskIO {
            stdin: container.stdin.clone(),
            stdout: container.stdout.clone(),
            stderr: container.stderr.clone(),
            ..TaskIO::default()
        }),
        pid: pid(),
        ..TaskCreate::default()
    };
    node.events
        .send(&container.namespace, topics::TASK_CREATE_EVENT_TOPIC, &event);
}

pub(crate) fn started(node: &Node, container: &Container) {
    let event = TaskStart {
        container_id: container.id.clone(),
        pid: pid(),
        ..TaskStart::default()
    };
    node.events
        .send(&container.namespace, topics::TASK_START_EVENT_TOPIC, &event);
}

pub(crate) fn deleted(node: &Node, container: &Container, exit: &Exit, at: SystemTime) {
    let event = TaskDelete {
        container_id: container.id.clone(),
        id: container.id.clone(),
        pid: pid(),
        exit_status: exit.ending.code().into(),
        exited_at: MessageField::some(timestamp(at)),
        ..TaskDelete::default()
    };
    node.events
        .send(&container.namespace, topics::TASK_DELETE_EVENT_TOPIC, &event);
}

/// Writes a container's termination message, where kubelet reads it.
pub(crate) async fn termination(path: &Path, exit: &Exit) {
    if exit.message.is_empty() {
        return;
    }
    let end = exit.message.floor_char_boundary(MESSAGE.min(exit.message.len()));
    let message = exit.message.get(..end).unwrap_or_default().to_owned();
    let file = path.to_owned();
    if let Err(error) = files::on_the_node(move || std::fs::write(file, message)).await {
        tracing::warn!(path = %path.display(), "cannot write the termination message: {error}");
    }
}

/// That a container has ended, and why.
pub(crate) async fn ended(node: &Node, container: &Container, exit: &Exit) {
    let program = container.program.as_ref();
    if let Some(path) = program.and_then(|program| program.termination_log.as_ref()) {
        termination(path, exit).await;
    }
    let namespace = &container.namespace;
    if exit.ending == Ending::OutOfMemory {
        let event = TaskOOM {
            container_id: container.id.clone(),
            ..TaskOOM::default()
        };
        node.events.send(namespace, topics::TASK_OOM_EVENT_TOPIC, &event);
    }
    let event = TaskExit {
        container_id: container.id.clone(),
        id: container.id.clone(),
        pid: pid(),
        exit_status: exit.ending.code().into(),
        exited_at: MessageField::some(timestamp(SystemTime::now())),
        ..TaskExit::default()
    };
    node.events.send(namespace, topics::TASK_EXIT_EVENT_TOPIC, &event);
}

pub(crate) fn timestamp(at: SystemTime) -> Timestamp {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(since.subsec_nanos()).unwrap_or(0),
        ..Timestamp::default()
    }
}

/// What a worker keeps for a container at rest, in bytes, of pages that are nobody else's: its socket, its grants, its place in tables
/// (`make bench-shim`, rounded up).
const AT_REST: u64 = 32 << 10;

/// What a container uses, in the form of control groups of version 2, which containerd's CRI plugin reads whatever the node has.
pub(crate) fn metrics(entry: &Entry) -> Metrics {
    let oom = match entry.state() {
        State::Stopped { exit, .. } => exit.ending == Ending::OutOfMemory,
        _ => false,
    };
    let program = entry.program.as_ref();
    let limit = program.map_or(0, |program| program.task.component.limits.memory.bytes());
    used(&usage(entry), limit, oom)
}

/// What all containers of a pod use. That there is something at all matters to the whole node: containerd answers for none of its pods
/// where it cannot for one.
pub(crate) fn sandbox_metrics(node: &Node, sandbox: &str) -> Metrics {
    let mut all = Usage::default();
    for entry in node.of_pod(sandbox) {
        let usage = usage(&entry);
        all.cpu_ns += usage.cpu_ns;
        all.memory += usage.memory;
    }
    used(&all, 0, false)
}

/// With what nobody meters: its start, and what it takes at rest. metrics-server takes a container without CPU time or without memory for
/// one that has no figures, and an autoscaler then leaves the pod as it is.
fn usage(entry: &Entry) -> Usage {
    let mut usage = lock(&entry.usage).clone();
    if entry.runs() {
        usage.cpu_ns = usage.cpu_ns.max(1000);
        usage.memory += AT_REST;
    }
    usage
}

fn used(usage: &Usage, limit: u64, oom: bool) -> Metrics {
    let micros = usage.cpu_ns / 1000;
    Metrics {
        cpu: MessageField::some(CPUStat {
            usage_usec: micros,
            user_usec: micros,
            ..CPUStat::default()
        }),
        memory: MessageField::some(MemoryStat {
            usage: usage.memory,
            usage_limit: limit,
            anon: usage.memory,
            ..MemoryStat::default()
        }),
        memory_events: MessageField::some(MemoryEvents {
            oom_kill: oom.into(),
            ..MemoryEvents::default()
        }),
        ..Metrics::default()
    }
}
