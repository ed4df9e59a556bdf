//! `make bench-shim`: what a pod costs on one node of a real cluster, beside runc and a shim that does nothing. What the figures mean
//! is in docs/benchmarks.md.

mod cri;
mod density;
mod latency;
mod rate;
mod stalled;

use crate::figures::Figures;
use crate::machine;
use anyhow::{Context, ensure};
use shoal_cluster::{Cluster, Images, LocalNode, Node};
use std::path::{Path, PathBuf};

/// Options of the run. The cluster is the one that the environment names.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The folder with the guests.
    #[arg(long, env = "SHOAL_GUESTS")]
    guests: PathBuf,
    /// Where to write the figures.
    #[arg(long)]
    out: PathBuf,
    /// Pods that are started one after the other.
    #[arg(long, default_value_t = 20)]
    starts: u32,
    /// Pods that are started at once, through kubelet.
    #[arg(long, default_value_t = 60)]
    burst: u32,
    /// Pods at rest.
    #[arg(long, value_delimiter = ',', default_values_t = [10, 100, 500])]
    pods: Vec<u32>,
    /// Pods that are started beside what hangs.
    #[arg(long, default_value_t = 50)]
    neighbours: u32,
    /// Runtimes to measure, by their RuntimeClass.
    #[arg(long, value_delimiter = ',', default_values_t = ["runc", "null-shim", "null-podsandbox", "shoal", "shoal-podsandbox"].map(str::to_owned))]
    runtimes: Vec<String>,
    /// Parts to run.
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = [What::Latency, What::Rate, What::Density, What::Stalled])]
    only: Vec<What>,
}

/// A part of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// The calls of CRI, and the first byte.
    Latency,
    /// Pods per second.
    Rate,
    /// Memory and processes.
    Density,
    /// The first byte beside what may stall a node.
    Stalled,
}

/// One runtime under measurement.
pub(crate) struct Runtime {
    /// The RuntimeClass and its handler.
    class: String,
    image: String,
    args: Vec<String>,
    /// Whether its pods answer requests.
    serves: bool,
}

impl Runtime {
    /// Its name in the figures.
    fn name(&self) -> String {
        self.class.replace('-', "_")
    }
}

/// Where it is measured.
pub(crate) struct Place {
    cluster: Cluster,
    node: Node,
    local: LocalNode,
}

pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let cluster = Cluster::from_env()?;
    let node = cluster.nodes.first().context("the cluster has no nodes")?.clone();
    let local = node
        .local
        .clone()
        .context("it is measured on a node of `make cluster`")?;
    let hello = cluster.push_component(&options.guests.join("http_hello.wasm"), "bench/hello:1")?;
    let linux = format!("{}/busybox:1", cluster.registry);
    let serve = "mkdir -p /www && echo 'hello, world' >/www/index.html && exec httpd -f -p 80 -h /www";
    let runtimes: Vec<Runtime> = options
        .runtimes
        .iter()
        .map(|class| {
            let linux_container = class == "runc";
            Runtime {
                class: class.clone(),
                image: if linux_container {
                    linux.clone()
                } else {
                    hello.clone()
                },
                args: if linux_container {
                    ["/bin/sh", "-c", serve].map(str::to_owned).into()
                } else {
                    Vec::new()
                },
                serves: !class.starts_with("null"),
            }
        })
        .collect();
    let place = Place { cluster, node, local };
    let mut figures = Figures::default();
    for what in &options.only {
        for runtime in &runtimes {
            eprintln!("{what:?} of {}", runtime.class);
            match what {
                What::Latency => latency::run(&place, runtime, options.starts, &mut figures).await?,
                What::Rate => rate::run(&place, runtime, options.burst, &mut figures).await?,
                What::Density => {
                    for pods in &options.pods {
                        density::run(&place, runtime, *pods, &mut figures).await?;
                    }
                }
                // What is measured is shoald, whoever makes the sandboxes.
                What::Stalled if runtime.class == "shoal" => {
                    let images = stalling(&place.cluster, &options.guests)?;
                    let pods = (options.neighbours, &images);
                    stalled::run(&place, runtime, pods, &mut figures).await?;
                }
                What::Stalled => {}
            }
        }
    }
    ratios(&mut figures);
    print!("{}\n\n{}", machine::description(), crate::table::of(&figures));
    ensure!(figures.iter().next().is_some(), "nothing was measured");
    std::fs::write(&options.out, figures.json()? + "\n")
        .with_context(|| format!("write {}", options.out.display()))?;
    println!("\n{}", options.out.display());
    Ok(())
}

/// The images of the pods that hang.
fn stalling(cluster: &Cluster, guests: &Path) -> anyhow::Result<Images> {
    let push = |guest: &str, name| cluster.push_component(&guests.join(guest), name);
    Ok(Images {
        files: push("http_files.wasm", "bench/files:1")?,
        outbound: push("http_outbound.wasm", "bench/outbound:1")?,
    })
}

/// What it comes to, against runc and against a shim that does nothing. Of both sandboxers, the worse one counts.
fn ratios(figures: &mut Figures) {
    let ours = ["shoal", "shoal_podsandbox"];
    let most = figures.suffixes("shoal_pss_kib_per_pod_").into_iter().max();
    if let Some(pods) = most {
        let worst = |figures: &Figures, kind: &str| {
            let values = ours.map(|name| figures.get(&format!("{name}_{kind}_{pods}")));
            values.into_iter().flatten().reduce(f64::max)
        };
        if let Some(processes) = worst(figures, "processes_per_pod") {
            figures.set("processes_per_pod", processes);
        }
        for (ratio, kind) in [
            ("pss_ratio", "pss_kib_per_pod"),
            ("memavailable_ratio", "memavailable_kib_per_pod"),
        ] {
            if let (Some(ours), Some(runc)) =
                (worst(figures, kind), figures.get(&format!("runc_{kind}_{pods}")))
            {
                figures.set(ratio, ours / runc);
            }
        }
    }
    let rate = |figures: &Figures, name: &str| figures.get(&format!("{name}_pods_per_second"));
    let slowest = ours
        .iter()
        .filter_map(|name| rate(figures, name))
        .reduce(f64::min);
    if let (Some(ours), Some(runc)) = (slowest, rate(figures, "runc")) {
        figures.set("pods_per_second_ratio", ours / runc);
    }
    let first = |figures: &Figures, name: &str| figures.get(&format!("{name}_first_byte_ms_p50"));
    let latest = ours
        .iter()
        .filter_map(|name| first(figures, name))
        .reduce(f64::max);
    if let (Some(ours), Some(runc)) = (latest, first(figures, "runc")) {
        figures.set("first_byte_ratio", ours / runc);
    }
    for (ours, null, suffix) in [
        ("shoal", "null_shim", ""),
        ("shoal_podsandbox", "null_podsandbox", "_podsandbox"),
    ] {
        // The shim that does nothing has no first byte: its last call is the earliest that there could be one.
        let started = figures.get(&format!("{null}_started_ms_p50"));
        if let (Some(ours), Some(null)) = (first(figures, ours), started) {
            figures.set(format!("first_byte_over_null_ms{suffix}"), ours - null);
        }
        if let (Some(ours), Some(null)) = (rate(figures, ours), rate(figures, null)) {
            figures.set(format!("pods_per_second_over_null_ratio{suffix}"), ours / null);
        }
    }
}
