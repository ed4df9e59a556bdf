//! A modest service beside many greedy ones in one process: its p99 while they have endless slow requests, against its p99 while they have
//! none. Services that attack are in `neighbours`.

use crate::figures::{Figures, median};
use crate::neighbours::{self, Plan};
use crate::web::Connection;
use crate::wrk;
use anyhow::{Context, ensure};
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::task::JoinSet;

/// Greedy services.
const SERVICES: usize = 50;
/// What their guests do with a request, in turn: hold a slot and wait, or compute.
const GUESTS: [&str; 2] = ["hostile_wait_for_ever", "hostile_endless_loop"];
/// Requests to each at once: together, half as many again as there are slots.
const REQUESTS: usize = 30;
/// The name of the modest service.
const MODEST: &str = "modest";
/// How long a greedy request goes on, unless its client does: longer than all rounds.
const LIMITS: &str = "{requestTimeout: 1h, cpuTime: 1h}";

pub(crate) async fn run(plan: &Plan<'_>, figures: &mut Figures) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let manifest = folder.path().join("greedy.yaml");
    std::fs::write(&manifest, manifests(plan.guests))?;
    let (mut child, mut addresses) = neighbours::start(plan.corpus, &manifest).await?;
    let modest = addresses.remove(MODEST).context("the modest service's address")?;
    let greedy: Vec<_> = addresses.into_values().collect();
    let mut worst: f64 = 0.0;
    for &connections in &plan.connections {
        let mut ratios = Vec::new();
        for round in 1..=plan.rounds {
            wrk::run(modest, connections, Duration::from_secs(1)).await?;
            let quiet = wrk::run(modest, connections, plan.time).await?;
            let asking = ask(&greedy);
            // Until the pool is full.
            tokio::time::sleep(Duration::from_secs(1)).await;
            let beside = wrk::run(modest, connections, plan.time).await?;
            end(asking).await;
            eprintln!(
                "round {round}/{} {connections:>3} connections: p99 {:.0} us quiet, {:.0} us beside {SERVICES} greedy services; {:.0}/s and {:.0}/s",
                plan.rounds, quiet.p99_us, beside.p99_us, quiet.rps, beside.rps
            );
            ratios.push(beside.p99_us / quiet.p99_us);
            // Until all greedy instances are gone.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let ratio = median(&ratios);
        figures.set(format!("greedy_neighbour_ratio_{connections}"), ratio);
        worst = worst.max(ratio);
    }
    figures.set("greedy_neighbour_ratio", worst);
    ensure!(child.try_wait()?.is_none(), "the process with the services ended");
    // It ends with its stdin.
    drop(child.stdin.take());
    child.wait().await?;
    Ok(())
}

fn manifests(guests: &Path) -> String {
    let mut text = String::new();
    let greedy = (0..SERVICES).zip(GUESTS.iter().cycle());
    let named = greedy.map(|(n, guest)| (format!("greedy-{n}"), *guest, LIMITS));
    for (name, guest, limits) in named.chain([(MODEST.to_owned(), "http_hello", "{}")]) {
        let file = guests.join(format!("{guest}.wasm"));
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "---\napiVersion: shoal.dev/v1alpha1\nkind: WasmService\nmetadata: {{name: {name}}}\nspec:\n  components:\n  \
             - {{name: web, file: {file:?}, limits: {limits}}}\n  triggers:\n  - {{name: web, component: web, http: {{}}}}\n"
        );
    }
    text
}

/// Asks every greedy service for as much as it takes, until the tasks are ended.
fn ask(greedy: &[SocketAddr]) -> JoinSet<()> {
    let mut asking = JoinSet::new();
    for &address in greedy {
        for _ in 0..REQUESTS {
            asking.spawn(async move {
                loop {
                    match Connection::open(address).await {
                        Ok(mut connection) => drop(connection.discard("/", 1 << 20).await),
                        Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                    }
                }
            });
        }
    }
    asking
}

async fn end(mut asking: JoinSet<()>) {
    asking.abort_all();
    while asking.join_next().await.is_some() {}
}
