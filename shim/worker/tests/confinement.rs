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
#[allow(dead_code, reason = "most of it is for the other tests")]
mod support;

use attacks::{ATTACKS, Attack, Expected};
use clap::Parser;
use libtest_mimic::{Arguments, Failed, Trial};
use shoal_channel::Channel;
use shoal_worker::Worker;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, Stdio};

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

/// Outside: starts the worker, gives it a listening socket as a task gets one, and sees how it fares.
fn run(attack: &'static Attack) -> Result<(), Failed> {
    if !rustix::process::geteuid().is_root() {
        return Err("workers are started as shoald does: run this as root".into());
    }
    let (ours, theirs) = Channel::pair().unwrap();
    let root = support::root();
    std::fs::write(root.path().join("code.cwasm"), "code").unwrap();
    let network = attack
        .network
        .then(|| std::fs::File::open("/proc/self/ns/net").unwrap().into());
    let this = std::env::current_exe().unwrap();
    let mut worker = support::command(&this, root.path(), theirs.into(), network);
    let mut worker = worker
        .args([PROBE, attack.name])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    ours.send(&listener.local_addr().unwrap().port(), &[listener.as_fd()])
        .unwrap();
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
