//! A well-behaved service beside hostile ones in one process: its p99 while they are called, against its p99 while they are not.

use crate::figures::{Figures, median};
use crate::web::Connection;
use crate::wrk;
use anyhow::{Context, bail, ensure};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

/// Guests that each attack another way: processor, memory, stack, logs, the answer's size, host calls, waiting for ever.
const HOSTILE: [&str; 8] = [
    "hostile_endless_loop",
    "hostile_memory_bomb",
    "hostile_deep_recursion",
    "hostile_log_flood",
    "hostile_huge_response",
    "hostile_host_copy_loop",
    "hostile_wait_for_ever",
    "hostile_trap_in_handler",
];
/// Requests that each hostile guest gets at the most in one round: what ends at once would otherwise be a load test.
const ATTACKS: u32 = 2_000;
/// Bytes that are read of a hostile answer.
const READ: usize = 64 << 20;
/// The name of the well-behaved service.
const GOOD: &str = "good";

/// What to measure, and how often.
pub(crate) struct Plan<'a> {
    pub(crate) corpus: &'a Path,
    pub(crate) guests: &'a Path,
    pub(crate) rounds: u32,
    pub(crate) time: Duration,
    pub(crate) connections: Vec<u32>,
}

pub(crate) async fn run(plan: &Plan<'_>, figures: &mut Figures) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let manifest = folder.path().join("neighbours.yaml");
    std::fs::write(&manifest, manifests(plan.guests))?;
    let (mut child, mut addresses) = start(plan.corpus, &manifest).await?;
    let good = addresses
        .remove(GOOD)
        .context("the well-behaved service has an address")?;
    for &connections in &plan.connections {
        let (mut quiet, mut attacked, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for round in 1..=plan.rounds {
            wrk::run(good, connections, Duration::from_secs(1)).await?;
            let before = wrk::run(good, connections, plan.time).await?;
            let mut attacks = JoinSet::new();
            for (name, address) in &addresses {
                attacks.spawn(attack(name.clone(), *address));
            }
            // Until each of them is at work.
            tokio::time::sleep(Duration::from_millis(500)).await;
            let during = wrk::run(good, connections, plan.time).await?;
            attacks.abort_all();
            while attacks.join_next().await.is_some() {}
            eprintln!(
                "round {round}/{} {connections:>3} connections: p99 {:.0} us quiet, {:.0} us with {} hostile neighbours; {:.0}/s and {:.0}/s",
                plan.rounds,
                before.p99_us,
                during.p99_us,
                addresses.len(),
                before.rps,
                during.rps
            );
            quiet.push(before.p99_us);
            attacked.push(during.p99_us);
            ratios.push(during.p99_us / before.p99_us);
            // Hostile instances that are still at work end by their limits: 1 s of CPU time each.
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
        figures.set(format!("neighbour_quiet_p99_us_{connections}"), median(&quiet));
        figures.set(
            format!("neighbour_attacked_p99_us_{connections}"),
            median(&attacked),
        );
        figures.set(format!("neighbour_p99_ratio_{connections}"), median(&ratios));
    }
    ensure!(
        child.try_wait()?.is_none(),
        "the process with the neighbours ended"
    );
    // It ends with its stdin.
    drop(child.stdin.take());
    child.wait().await?;
    Ok(())
}

fn manifests(guests: &Path) -> String {
    let mut text = String::new();
    for guest in HOSTILE.into_iter().chain(["http_hello"]) {
        let name = if guest == "http_hello" {
            GOOD.to_owned()
        } else {
            guest.replace('_', "-")
        };
        let file = guests.join(format!("{guest}.wasm"));
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "---\napiVersion: shoal.dev/v1alpha1\nkind: WasmService\nmetadata: {{name: {name}}}\nspec:\n  components:\n  \
             - {{name: web, file: {file:?}}}\n  triggers:\n  - {{name: web, component: web, http: {{}}}}\n"
        );
    }
    text
}

/// Starts the process with all services; their addresses by name.
pub(crate) async fn start(
    corpus: &Path,
    manifest: &Path,
) -> anyhow::Result<(Child, BTreeMap<String, SocketAddr>)> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("inside-serve")
        .args([corpus, manifest])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("it has an output")?).lines();
    let mut addresses = BTreeMap::new();
    while let Some(line) = lines.next_line().await? {
        match line.split_once(' ') {
            Some((name, address)) => {
                addresses.insert(name.to_owned(), address.parse()?);
            }
            None => return Ok((child, addresses)),
        }
    }
    bail!("the process with the neighbours ended: {}", child.wait().await?)
}

/// Calls a hostile guest, one request after the other; all of them end badly, which is what they are for.
async fn attack(name: String, address: SocketAddr) {
    for _ in 0..ATTACKS {
        if let Ok(mut connection) = Connection::open(address).await {
            let _ = connection.discard("/", READ).await;
        } else {
            eprintln!("{name} at {address} takes no connection");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
