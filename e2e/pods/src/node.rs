//! What a node holds: processes, mounts, namespaces, control groups, records. To be compared before and after.

use crate::{cluster, space};
use rustix::process::{Pid, Signal, kill_process};
use shoal_cluster::LocalNode;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A process.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// The name of its program.
    pub name: String,
    /// Its environment's `SHOAL_RUN`, which tells the nodes of one machine apart; empty where it may not be read or has none.
    pub run: String,
}

/// All processes of this machine that are threads of no other.
pub fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").expect("/proc");
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let name = fs::read_to_string(entry.path().join("comm"))
                .ok()?
                .trim()
                .to_owned();
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            let run = environment
                .split(|byte| *byte == 0)
                .find_map(|entry| entry.strip_prefix(b"SHOAL_RUN="))
                .map(|run| String::from_utf8_lossy(run).into_owned());
            Some(Process {
                pid,
                name,
                run: run.unwrap_or_default(),
            })
        })
        .collect()
}

/// The daemon of a node.
pub fn daemon(node: &LocalNode) -> i32 {
    find_daemon(node).expect("the node's shoald")
}

/// The same; none while the next one is being started.
pub fn find_daemon(node: &LocalNode) -> Option<i32> {
    let run = run(node);
    let found = processes()
        .into_iter()
        .find(|process| process.name == "shoald" && Path::new(&process.run) == run);
    found.map(|process| process.pid)
}

/// Where the node's keeper and daemon log to.
pub fn log(node: &LocalNode) -> PathBuf {
    let environment = fs::read(format!("/proc/{}/environ", daemon(node))).expect("the daemon's environment");
    let root = environment
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(b"SHOAL_ROOT="));
    let root = root.expect("SHOAL_ROOT");
    Path::new(&*String::from_utf8_lossy(root)).join("log/shoald.log")
}

/// The worker of a trust domain on a node: the last one that was started.
pub fn worker(node: &LocalNode, domain: &str) -> Option<i32> {
    let mut workers = workers(node);
    workers.retain(|worker| worker.domain == domain);
    let last = workers.into_iter().max_by_key(|worker| worker.generation);
    last.map(|worker| worker.pid)
}

/// A worker, as shoald has written it down.
#[derive(Clone, Debug)]
pub struct Worker {
    /// The name of its trust domain.
    pub domain: String,
    /// Larger than those of earlier workers.
    pub generation: u64,
    /// Its process.
    pub pid: i32,
    /// The version of the protocol that it speaks; 1 where its record says none.
    pub protocol: u64,
}

/// The workers of a node, those that are ending too.
pub fn workers(node: &LocalNode) -> Vec<Worker> {
    let worker = |record: serde_json::Value| {
        Some(Worker {
            domain: record["domain"]["name"].as_str()?.to_owned(),
            generation: record["generation"].as_u64()?,
            pid: i32::try_from(record["pid"].as_i64()?).ok()?,
            protocol: record["protocol"].as_u64().unwrap_or(1),
        })
    };
    records(node, "domains").filter_map(worker).collect()
}

/// The sandboxes of a namespace's pods on a node: their ids, by the pods' names.
pub fn sandboxes(node: &LocalNode, namespace: &str) -> BTreeMap<String, String> {
    let own = records(node, "sandboxes").filter(|record| record["namespace"] == namespace);
    own.filter_map(|record| {
        let text = |field: &str| record[field].as_str().map(str::to_owned);
        Some((text("name")?, text("id")?))
    })
    .collect()
}

/// What the daemon has written down of a kind.
fn records(node: &LocalNode, kind: &str) -> impl Iterator<Item = serde_json::Value> {
    let files = fs::read_dir(run(node).join(kind)).into_iter().flatten();
    files.filter_map(|it| serde_json::from_slice(&fs::read(it.ok()?.path()).ok()?).ok())
}

/// Ends a process as `kill -9` does.
pub fn kill(pid: i32) {
    let pid = Pid::from_raw(pid).expect("a process's number");
    kill_process(pid, Signal::KILL).expect("kill(2)");
}

/// The node's `SHOAL_RUN`.
pub fn run(node: &LocalNode) -> PathBuf {
    node.folder.join("shoal-run")
}

/// What pods leave traces in, on all nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traces {
    /// Programs and how often each runs, those that come and go by themselves left out.
    processes: Vec<String>,
    mounts: BTreeSet<String>,
    namespaces: BTreeSet<String>,
    cgroups: BTreeSet<String>,
    files: BTreeSet<String>,
    sockets: BTreeSet<String>,
}

impl Traces {
    /// What is there now.
    pub fn now() -> Self {
        let mut traces = Self {
            processes: Vec::new(),
            mounts: BTreeSet::new(),
            namespaces: BTreeSet::new(),
            cgroups: BTreeSet::new(),
            files: BTreeSet::new(),
            sockets: BTreeSet::new(),
        };
        let ours = ["shoal", "containerd-shim", "pause", "runc"];
        for process in processes() {
            if ours.iter().any(|name| process.name.starts_with(name)) && process.name != "shoal-cluster" {
                traces.processes.push(process.name);
            }
        }
        traces.processes.sort();
        for node in &cluster().nodes {
            let node = space::local(node);
            let mounts = node.mounts().unwrap_or_else(|error| panic!("{error:#}"));
            for line in mounts.lines() {
                traces.mounts.extend(
                    line.split(' ')
                        .nth(1)
                        .map(|path| format!("{}: {path}", node.netns)),
                );
            }
            for kind in ["sandboxes", "tasks", "domains"] {
                walk(&run(node).join(kind), 1, &mut traces.files);
            }
            walk(&node.folder.join("shoal/workers"), 2, &mut traces.files);
            traces.sockets.extend(listening(node));
            if let Ok(holder) = node.pid("holder") {
                walk(
                    &PathBuf::from(format!("/proc/{holder}/root/var/run/netns")),
                    1,
                    &mut traces.namespaces,
                );
            }
        }
        for hierarchy in ["memory", "pids", "cpu", "."] {
            let hierarchy = Path::new("/sys/fs/cgroup").join(hierarchy);
            for entry in fs::read_dir(&hierarchy).into_iter().flatten().flatten() {
                if entry.file_name().to_string_lossy().starts_with("shoal") {
                    walk(&entry.path(), 6, &mut traces.cgroups);
                }
            }
        }
        // Only folders are groups; the kernel's files in them come and go with them.
        traces.cgroups.retain(|path| Path::new(path).is_dir());
        traces
    }
}

impl Traces {
    /// What is here and not there, a line each.
    pub fn beyond(&self, other: &Self) -> Vec<String> {
        let mut processes = self.processes.clone();
        for name in &other.processes {
            if let Some(at) = processes.iter().position(|mine| mine == name) {
                processes.remove(at);
            }
        }
        let sets = [
            (&self.mounts, &other.mounts),
            (&self.namespaces, &other.namespaces),
            (&self.cgroups, &other.cgroups),
            (&self.files, &other.files),
            (&self.sockets, &other.sockets),
        ];
        let more = sets
            .into_iter()
            .flat_map(|(mine, theirs)| mine.difference(theirs).cloned());
        processes.into_iter().chain(more).collect()
    }
}

/// Ports that somebody listens on in a node's own network.
fn listening(node: &LocalNode) -> Vec<String> {
    let Ok(pid) = node.pid("containerd") else {
        return Vec::new();
    };
    let text = fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap_or_default();
    let listens = text.lines().skip(1).filter_map(|line| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        (fields.get(3) == Some(&"0A")).then(|| format!("{} {}", node.netns, fields[1]))
    });
    listens.collect()
}

fn walk(folder: &Path, levels: u32, into: &mut BTreeSet<String>) {
    if levels == 0 {
        return;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        into.insert(entry.path().display().to_string());
        walk(&entry.path(), levels - 1, into);
    }
}

/// The file in which the registry of `make cluster` keeps a blob.
pub fn registry_blob(hex: &str) -> PathBuf {
    let cluster = space::local(&cluster().nodes[0])
        .folder
        .parent()
        .expect("the cluster's folder")
        .to_owned();
    let blobs = ["control/registry", "registry"].map(|folder| {
        let path = cluster.join(folder).join("docker/registry/v2/blobs/sha256");
        path.join(&hex[..2]).join(hex).join("data")
    });
    let found = blobs.iter().find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("none of {blobs:?}")).clone()
}

/// Starts a program of a node again, as what supervises it on a real node would.
pub fn restart() {
    let this = std::env::current_exe().expect("this test's own path");
    let program = this
        .ancestors()
        .nth(2)
        .expect("a folder above `deps`")
        .join("shoal-cluster");
    let mut command = std::process::Command::new(program);
    command.arg("up");
    if let Ok(name) = std::env::var("SHOAL_CLUSTER") {
        command.args(["--name", &name]);
    }
    let output = command.output().expect("shoal-cluster");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
