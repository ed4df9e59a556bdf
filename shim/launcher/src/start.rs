//! `start`: the keeper runs, the daemon can find containerd, and containerd is told where to connect. What the keeper does is
//! `keeper`'s.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::event::{PollFd, PollFlags};
use rustix::fs::FlockOperation;
use shoal_channel::node::{Containerd, Folders};

use crate::args::Args;
use crate::{folders, keeper, reply};

/// containerd's own limit for what it writes (`pkg/shim/shim.go`).
const MAX_INPUT: u64 = 10 << 20;
/// A keeper that ends may hold its lock for as long as it waits for its daemon.
const KEEPER_STARTS: Duration = Duration::from_secs(20);
const CONTAINERD_ANSWERS: Duration = Duration::from_secs(2);

pub(crate) fn run(folders: &Folders, args: &Args) -> anyhow::Result<()> {
    let mut input = Vec::new();
    std::io::stdin()
        .take(MAX_INPUT)
        .read_to_end(&mut input)
        .context("standard input")?;
    folders::prepare(folders)?;
    let containerd = record(folders, args, &input)?;
    ensure_keeper(folders)?;
    let socket = folders.shim_socket();
    let version = reply::task_version(containerd.version.as_deref());
    if version == 2 {
        // 1.7 finds its tasks again by this file in the bundle, where it has started us (`runtime/v2/shim.go`, `loadAddress`).
        folders::replace(Path::new("address"), reply::address(&socket).as_bytes())?;
    }
    std::io::stdout().write_all(reply::reply(version, &socket).as_bytes())?;
    Ok(())
}

/// Writes down which containerd this is, unless that is known.
fn record(folders: &Folders, args: &Args, input: &[u8]) -> anyhow::Result<Containerd> {
    let path = folders.containerd();
    let known: Containerd = std::fs::read(&path)
        .ok()
        .and_then(|content| serde_json::from_slice(&content).ok())
        .unwrap_or_default();
    let parameters = reply::parameters(input, &args.id, &args.namespace).unwrap_or_default();
    let first = |said: String, or: String| if said.is_empty() { or } else { said };
    let from_env = |name| std::env::var(name).unwrap_or_default();
    let binary_stamp = stamp(&args.publish_binary);
    let version = if !parameters.containerd_version.is_empty() {
        Some(parameters.containerd_version)
    } else if known.version.is_some()
        && (&known.binary, &known.binary_stamp) == (&args.publish_binary, &binary_stamp)
    {
        known.version.clone()
    } else {
        ask_version(&args.publish_binary)
    };
    let now = Containerd {
        grpc_address: first(parameters.containerd_grpc_address, args.address.clone()),
        ttrpc_address: first(parameters.containerd_ttrpc_address, from_env("TTRPC_ADDRESS")),
        namespace: args.namespace.clone(),
        version,
        binary: args.publish_binary.clone(),
        binary_stamp,
    };
    if now != known {
        folders::replace(&path, &serde_json::to_vec(&now)?)?;
    }
    Ok(now)
}

/// Changes when the file does.
fn stamp(file: &str) -> String {
    std::fs::metadata(file).map_or(String::new(), |meta| {
        format!("{}-{}.{}", meta.size(), meta.mtime(), meta.mtime_nsec())
    })
}

/// What `containerd -v` says. Not being able to know is no error: the answer is then one that each containerd takes.
fn ask_version(binary: &str) -> Option<String> {
    let child = Command::new(binary)
        .arg("-v")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = child.ok()?;
    let mut printed = Vec::new();
    if let Some(mut output) = child.stdout.take() {
        let deadline = Instant::now() + CONTAINERD_ANSWERS;
        // One read is enough for one line.
        if readable(&output, deadline) {
            let mut buffer = [0; 512];
            let length = output.read(&mut buffer).unwrap_or(0);
            printed.extend_from_slice(buffer.get(..length).unwrap_or_default());
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    reply::version_of(&String::from_utf8_lossy(&printed))
}

fn readable(file: &impl std::os::fd::AsFd, deadline: Instant) -> bool {
    let left = deadline.saturating_duration_since(Instant::now());
    let Ok(timeout) = left.try_into() else {
        return false;
    };
    let mut polled = [PollFd::new(file, PollFlags::IN)];
    rustix::io::retry_on_intr(|| rustix::event::poll(&mut polled, Some(&timeout)))
        .is_ok_and(|ready| ready > 0)
}

/// Whoever finds no keeper takes the lock, looks again, and starts one: of a hundred at once, the first.
fn ensure_keeper(folders: &Folders) -> anyhow::Result<()> {
    let socket = folders.shim_socket();
    let alive = || UnixStream::connect(&socket).is_ok();
    if alive() {
        return Ok(());
    }
    let lock = folders.run.join("launch.lock");
    let lock = File::create(&lock).with_context(|| format!("cannot open {}", lock.display()))?;
    rustix::io::retry_on_intr(|| rustix::fs::flock(&lock, FlockOperation::LockExclusive)).context("flock")?;
    if alive() {
        return Ok(());
    }
    start_keeper(folders)
}

fn start_keeper(folders: &Folders) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("where this program is")?;
    let mut keeper = Command::new(program);
    keeper
        .arg("keep")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    // What concerns one pod alone, or containerd's service, must not stay with a process that outlives both.
    keeper.env_clear().envs(std::env::vars_os().filter(|(name, _)| {
        let name = name.to_string_lossy();
        name.starts_with("SHOAL_")
            || name.starts_with("RUST_")
            || matches!(&*name, "PATH" | "HOME" | "LANG" | "TZ")
    }));
    let mut keeper = keeper.spawn().context("cannot start the keeper")?;
    let mut said = Vec::new();
    let deadline = Instant::now() + KEEPER_STARTS;
    if let Some(mut output) = keeper.stdout.take() {
        let mut buffer = [0; 1024];
        while readable(&output, deadline) {
            match output.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(length) => said.extend_from_slice(buffer.get(..length).unwrap_or_default()),
            }
        }
    }
    if said == keeper::READY {
        return Ok(());
    }
    let _ = keeper.kill();
    let _ = keeper.wait();
    let log = folders.log();
    match String::from_utf8_lossy(&said).trim() {
        "" => bail!("the keeper did not start: see {}", log.display()),
        reason => bail!("the keeper did not start: {reason}"),
    }
}
