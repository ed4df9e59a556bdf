//! What pods at rest cost a node: processes, user-space memory, and what is left of the machine's.

use super::{Place, Runtime, rate};
use crate::figures::Figures;
use std::fs;
use std::time::Duration;

/// Until what a start has stirred up has settled.
const SETTLE: Duration = Duration::from_secs(5);

/// Programs that are there for pods, whatever the runtime; containerd and kubelet are there for all of them.
const PODS: [&str; 7] = [
    "shoal",
    "containerd-shim",
    "pause",
    "httpd",
    "busybox",
    "sh",
    "runc",
];

pub(crate) async fn run(
    place: &Place,
    runtime: &Runtime,
    pods: u32,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    // What all pods share is started with the first one, and is not counted for each.
    rate::start(place, runtime, 1).await?;
    tokio::time::sleep(SETTLE).await;
    let before = Use::now();
    rate::start(place, runtime, 1 + pods).await?;
    tokio::time::sleep(SETTLE).await;
    let after = Use::now();
    let (name, each) = (runtime.name(), |after: f64, before: f64| {
        (after - before) / f64::from(pods)
    });
    figures.set(
        format!("{name}_processes_per_pod_{pods}"),
        each(after.processes, before.processes),
    );
    figures.set(
        format!("{name}_pss_kib_per_pod_{pods}"),
        each(after.pss, before.pss),
    );
    figures.set(
        format!("{name}_memavailable_kib_per_pod_{pods}"),
        each(before.available, after.available),
    );
    rate::stop(place, runtime).await
}

/// One look at the machine; memory in KiB.
struct Use {
    processes: f64,
    pss: f64,
    available: f64,
}

impl Use {
    fn now() -> Self {
        let (mut processes, mut pss) = (0.0, 0.0);
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let path = entry.path();
            let Ok(name) = fs::read_to_string(path.join("comm")) else {
                continue;
            };
            // The cluster's own programs are there all the time.
            if name.starts_with("shoal-bench") || name.starts_with("shoal-cluster") {
                continue;
            }
            if PODS
                .iter()
                .any(|program| name.trim() == *program || (program.len() > 4 && name.starts_with(program)))
            {
                let rollup = fs::read_to_string(path.join("smaps_rollup")).unwrap_or_default();
                processes += 1.0;
                pss += kib(&rollup, "Pss:");
            }
        }
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        Self {
            processes,
            pss,
            available: kib(&meminfo, "MemAvailable:"),
        }
    }
}

fn kib(text: &str, field: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|line| line.split_ascii_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0.0)
}
