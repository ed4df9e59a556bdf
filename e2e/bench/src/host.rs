//! The whole run: starts the servers, has everything measured, prints a table, writes the JSON.

use crate::corpus::Corpus;
use crate::figures::Figures;
use crate::process::{self, Server, free_address};
use crate::{greedy, machine, neighbours, throughput};
use anyhow::{Context, ensure};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// What the component answers.
const ANSWER: &[u8] = b"hello, world\n";
/// How often an instance may be used where instances are reused, for us and for `wasmtime serve`.
const REUSE: u32 = 1_000_000;
/// `wasmtime serve` with all that FACTS.md found to help: memory kept between instances, only dirty pages reset.
const TUNED: &str =
    "pooling-memory-keep-resident=2097152,pooling-table-keep-resident=524288,pooling-pagemap-scan=y";

/// Options of the run.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where components, compiled files and results are kept.
    #[arg(long, env = "SHOAL_BENCH_DIR")]
    folder: PathBuf,
    /// The folder with the guests.
    #[arg(long, env = "SHOAL_GUESTS")]
    guests: PathBuf,
    /// The `wasmtime` to compare with.
    #[arg(long, env = "SHOAL_BENCH_WASMTIME")]
    wasmtime: PathBuf,
    /// `shoal`; by default the one beside this program.
    #[arg(long)]
    shoal: Option<PathBuf>,
    /// Where to write the figures; by default `host.json` in the folder.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Rounds, of which the middle one counts.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Connections at once.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 32, 256])]
    connections: Vec<u32>,
    /// Distinct services in one process.
    #[arg(long, value_delimiter = ',', default_values_t = [10, 100, 1000])]
    services: Vec<usize>,
    /// Parts to run.
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = [What::Throughput, What::Inside, What::Neighbours, What::Greedy])]
    only: Vec<What>,
}

/// A part of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Requests per second and latency, beside the peers.
    Throughput,
    /// Instantiation, first answers, memory.
    Inside,
    /// A service among hostile ones.
    Neighbours,
    /// A service among greedy ones.
    Greedy,
}

pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let hello = options.guests.join("http_hello.wasm");
    ensure!(
        hello.is_file(),
        "{} is missing: `make guests` builds it",
        hello.display()
    );
    std::fs::create_dir_all(&options.folder).with_context(|| format!("make {}", options.folder.display()))?;
    let mut figures = Figures::default();
    if options.only.contains(&What::Throughput) {
        let servers = servers(options, &hello).await?;
        let time = Duration::from_secs(options.seconds);
        let plan = throughput::Plan {
            connections: options.connections.clone(),
            rounds: options.rounds,
            time,
        };
        throughput::run(&servers, &plan, &mut figures).await?;
    }
    if options.only.contains(&What::Inside) {
        inside(options, &hello, &mut figures).await?;
    }
    let plan = neighbours::Plan {
        corpus: &options.folder,
        guests: &std::path::absolute(&options.guests)?,
        rounds: options.rounds,
        time: Duration::from_secs(options.seconds),
        connections: options.connections.clone(),
    };
    if options.only.contains(&What::Neighbours) {
        neighbours::run(&plan, &mut figures).await?;
    }
    if options.only.contains(&What::Greedy) {
        greedy::run(&plan, &mut figures).await?;
    }
    print!("{}\n\n{}", machine::description(), crate::table::of(&figures));
    let out = options
        .out
        .clone()
        .unwrap_or_else(|| options.folder.join("host.json"));
    std::fs::write(&out, figures.json()? + "\n").with_context(|| format!("write {}", out.display()))?;
    println!("\n{}", out.display());
    Ok(())
}

/// Every server with its name in the figures. All run throughout; one that is not called does nothing.
async fn servers(options: &Options, hello: &Path) -> anyhow::Result<Vec<(&'static str, Server)>> {
    let this = std::env::current_exe()?;
    let shoal = options
        .shoal
        .clone()
        .unwrap_or_else(|| this.with_file_name("shoal"));
    let wasmtime = |address: SocketAddr, more: &[&str]| {
        let mut command = Command::new(&options.wasmtime);
        command
            .args(["serve", "-S", "cli", "--addr"])
            .arg(address.to_string())
            .args(more)
            .arg(hello);
        command
    };
    let reuse = REUSE.to_string();
    let mut servers = Vec::new();
    for name in [
        "fresh",
        "serve_fresh",
        "reuse",
        "serve_reuse",
        "serve_tuned",
        "native",
    ] {
        let address = free_address()?;
        let mut command = match name {
            "fresh" => up(&shoal, options, hello, address, "")?,
            "reuse" => up(
                &shoal,
                options,
                hello,
                address,
                &format!(", reuse: {{maxRequests: {REUSE}}}"),
            )?,
            "serve_fresh" => wasmtime(address, &[]),
            "serve_reuse" => wasmtime(address, &["--max-instance-reuse-count", &reuse]),
            "serve_tuned" => wasmtime(address, &["-O", TUNED]),
            _ => {
                let mut command = Command::new(&this);
                command.arg("native").arg(address.to_string());
                command
            }
        };
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        servers.push((name, process::start(command, address, ANSWER).await?));
    }
    Ok(servers)
}

/// `shoal up` with one component; `more` is added to it in the manifest.
fn up(
    shoal: &Path,
    options: &Options,
    hello: &Path,
    address: SocketAddr,
    more: &str,
) -> anyhow::Result<Command> {
    let manifest = options.folder.join(format!(
        "up-{}.yaml",
        if more.is_empty() { "fresh" } else { "reuse" }
    ));
    let file = std::path::absolute(hello)?;
    let text = format!(
        "apiVersion: shoal.dev/v1alpha1\nkind: WasmService\nmetadata: {{name: hello}}\nspec:\n  components:\n  \
         - {{name: web, file: {file:?}{more}}}\n  triggers:\n  - {{name: web, component: web, http: {{}}}}\n"
    );
    std::fs::write(&manifest, text)?;
    let mut command = Command::new(shoal);
    command
        .arg("up")
        .arg(&manifest)
        .arg("--listen")
        .arg(address.to_string());
    Ok(command)
}

/// What is measured from inside, each part in a process of its own.
async fn inside(options: &Options, hello: &Path, figures: &mut Figures) -> anyhow::Result<()> {
    let most = options.services.iter().copied().max().unwrap_or_default();
    // Some more for what is measured before.
    Corpus::open(&options.folder)?
        .fill(hello, (most + 8).max(FIRST))
        .await?;
    part(options, "inside-calls", 1, figures).await?;
    part(options, "inside-first", FIRST, figures).await?;
    part(options, "inside-fleet", most, figures).await?;
    for &count in &options.services {
        part(options, "inside-memory", count, figures).await?;
    }
    Ok(())
}

/// Components for the first answers: a quarter for each kind, so 200 for each.
const FIRST: usize = 820;

async fn part(options: &Options, name: &str, count: usize, figures: &mut Figures) -> anyhow::Result<()> {
    eprintln!("{name} with {count}");
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg(name)
        .arg(&options.folder)
        .arg("--count")
        .arg(count.to_string());
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await?;
    ensure!(output.status.success(), "{name} ended with {}", output.status);
    figures
        .extend(&output.stdout)
        .with_context(|| format!("read what {name} printed"))
}
