//! Requests per second and latency of several servers, measured in turn so that all see the same weather.

use crate::figures::{Figures, median};
use crate::machine::{self, Quiet};
use crate::process::Server;
use crate::wrk::{self, Load};
use std::collections::BTreeMap;
use std::time::Duration;

/// Time for which a server is loaded before it is measured.
const WARM_UP: Duration = Duration::from_secs(1);

/// What to measure, and how often.
pub(crate) struct Plan {
    pub(crate) connections: Vec<u32>,
    pub(crate) rounds: u32,
    pub(crate) time: Duration,
}

/// What one server did in one round.
#[derive(Clone, Copy)]
struct Sample {
    load: Load,
    /// Processor time of the server for each request.
    cpu_us: f64,
    /// Processors that neither the server nor the load generator used.
    others: f64,
}

/// A ratio of requests per second: its name, and of whom by whom.
const RATIOS: [(&str, &str, &str); 5] = [
    ("fresh_ratio", "fresh", "serve_fresh"),
    ("reuse_ratio", "reuse", "serve_reuse"),
    ("fresh_tuned_ratio", "fresh", "serve_tuned"),
    ("fresh_native_ratio", "fresh", "native"),
    ("reuse_native_ratio", "reuse", "native"),
];

/// Measures all `servers` by name, in rounds: A B C, A B C, …
pub(crate) async fn run(
    servers: &[(&str, Server)],
    plan: &Plan,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let mut samples: BTreeMap<(&str, u32), Vec<Sample>> = BTreeMap::new();
    for round in 1..=plan.rounds {
        for &connections in &plan.connections {
            for (name, server) in servers {
                let sample = measure(server, connections, plan.time).await?;
                eprintln!(
                    "round {round}/{} {name:>11} {connections:>3} connections: {:>6.0}/s, {:.1} us of CPU each, others used {:.2} CPUs",
                    plan.rounds, sample.load.rps, sample.cpu_us, sample.others
                );
                samples.entry((name, connections)).or_default().push(sample);
            }
        }
    }
    for ((name, connections), of) in &samples {
        let values = |value: fn(&Sample) -> f64| median(&of.iter().map(value).collect::<Vec<_>>());
        figures.set(format!("{name}_rps_{connections}"), values(|it| it.load.rps));
        figures.set(
            format!("{name}_p50_us_{connections}"),
            values(|it| it.load.p50_us),
        );
        figures.set(
            format!("{name}_p99_us_{connections}"),
            values(|it| it.load.p99_us),
        );
        figures.set(format!("{name}_cpu_us_{connections}"), values(|it| it.cpu_us));
    }
    // Of each round by itself, and then the middle one: what disturbed a whole round cancels out.
    for (ratio, ours, theirs) in RATIOS {
        for &connections in &plan.connections {
            let (Some(ours), Some(theirs)) = (
                samples.get(&(ours, connections)),
                samples.get(&(theirs, connections)),
            ) else {
                continue;
            };
            let rounds: Vec<f64> = ours
                .iter()
                .zip(theirs)
                .map(|(our, their)| our.load.rps / their.load.rps)
                .collect();
            figures.set(format!("{ratio}_{connections}"), median(&rounds));
        }
    }
    let others: Vec<f64> = samples.values().flatten().map(|sample| sample.others).collect();
    figures.set("others_cpus_p50", median(&others));
    figures.set("others_cpus_max", others.iter().copied().fold(0.0, f64::max));
    Ok(())
}

async fn measure(server: &Server, connections: u32, time: Duration) -> anyhow::Result<Sample> {
    wrk::run(server.address, connections, WARM_UP).await?;
    let cpu = machine::cpu_of(server.pid);
    let quiet = Quiet::begin(cpu + machine::cpu_of_us());
    let load = wrk::run(server.address, connections, time).await?;
    let used = machine::cpu_of(server.pid);
    let others = quiet.others(used + machine::cpu_of_us());
    Ok(Sample {
        load,
        cpu_us: (used - cpu) * 1e6 / load.requests.max(1.0),
        others,
    })
}
