//! Native code in a worker, as if a guest had broken out of WebAssembly: what it tries is refused. This program is both: the test,
//! and, started again for each attack, the worker. It goes through the very same confinement as `shoal-worker`.

#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "attacks are system calls with whatever arguments; all of this is a test"
)]

mod attacks;
#[path = "support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "most of it is for the other tests")]
mod support;

use attacks::{ATTACKS, Attack, Expected, Within};
use clap::Parser;
use libtest_mimic::{Arguments, Failed, Trial};
use rustix::mount::{OpenTreeFlags, open_tree};
use shoal_channel::Channel;
use shoal_worker::Worker;
use std::fs::Permissions;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, Stdio};
use tempfile::TempDir;

/// Comes before the arguments of a worker, and after it the attack's name.
const PROBE: &str = "--attack";

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|it| it == PROBE) {
        let name = arguments.remove(at + 1);
        arguments.remove(at);
        probe(&name, &arguments);
    }
    let trial = |attack: &'static Attack| Trial::test(attack.name, move || run(attack));
    libtest_mimic::run(&Arguments::from_args(), ATTACKS.iter().map(trial).collect()).exit_code()
}

/// Inside: becomes a worker, tries, and tells.
fn probe(name: &str, arguments: &[String]) -> ! {
    let attack = ATTACKS.iter().find(|it| it.name == name).unwrap();
    let _worker = Worker::start(&shoal_worker::Arguments::parse_from(arguments)).unwrap();
    let result = (attack.attempt)();
    // The other end waits for it.
    println!(
        "{}",
        serde_json::json!({ "attack": name, "result": result.err().map(|it| it.0) })
    );
    // Not by way of the worker's end: a fork that should not be has none of its threads.
    std::process::exit(0)
}

/// Outside: starts the worker, gives it what a task gets, and sees how it fares.
fn run(attack: &'static Attack) -> Result<(), Failed> {
    if !rustix::process::geteuid().is_root() {
        return Err("workers are started as shoald does: run this as root".into());
    }
    let (ours, theirs) = Channel::pair().unwrap();
    let root = support::root();
    std::fs::write(root.path().join("code.cwasm"), "code").unwrap();
    let network =
        (attack.within == Within::Network).then(|| std::fs::File::open("/proc/self/ns/net").unwrap().into());
    let this = std::env::current_exe().unwrap();
    let mut worker = support::command(&this, root.path(), theirs.into(), network);
    let directory = (attack.within == Within::Directories).then(Directory::new);
    if directory.is_some() {
        worker.arg("--directories");
    }
    let mut worker = worker
        .args([PROBE, attack.name])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut given = vec![listener.as_fd()];
    given.extend(directory.iter().map(|it| it.mount.as_fd()));
    ours.send(&listener.local_addr().unwrap().port(), &given).unwrap();
    let mut said = String::new();
    worker.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    let status = worker.wait().unwrap();
    let left: Vec<_> = std::fs::read_dir(root.path()).unwrap().collect();
    if left.len() != 1 || std::fs::read(root.path().join("code.cwasm")).unwrap() != b"code" {
        return Err(format!("its root has changed: {left:?}").into());
    }
    let as_expected = match attack.expected {
        Expected::Killed => status.signal() == Some(libc::SIGSYS),
        Expected::Refused(errno) => {
            let told: Option<serde_json::Value> = serde_json::from_str(&said).ok();
            status.success() && told.is_some_and(|it| it["result"] == errno)
        }
        Expected::Allowed => {
            let told: Option<serde_json::Value> = serde_json::from_str(&said).ok();
            status.success() && told.is_some_and(|it| it["result"].is_null())
        }
    };
    match as_expected {
        true => Ok(()),
        false => Err(format!("expected {:?}, got {status}, {said}", attack.expected).into()),
    }
}

/// A directory as the daemon gives it to a task: a mount of its own, without a parent. Everybody may write to it.
struct Directory {
    mount: OwnedFd,
    _folder: TempDir,
}

impl Directory {
    fn new() -> Self {
        let folder = support::root();
        std::fs::write(folder.path().join("beside"), "beside").unwrap();
        let shared = folder.path().join("shared");
        std::fs::create_dir(&shared).unwrap();
        std::fs::write(shared.join("old"), "old").unwrap();
        std::fs::set_permissions(&shared, Permissions::from_mode(0o777)).unwrap();
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let mount = open_tree(rustix::fs::CWD, &shared, flags).unwrap();
        Self {
            mount,
            _folder: folder,
        }
    }
}
