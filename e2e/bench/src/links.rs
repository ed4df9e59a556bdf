//! `make bench-links`: what a call costs from one component to another, fused into one, from service to service in one process, and by
//! HTTP over loopback.

use crate::corpus::Corpus;
use crate::figures::{Figures, median};
use crate::inside::{arrival, host, prepare, services};
use anyhow::{Context, ensure};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use shoal_fleet::{Fleet, ServiceId};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::TcpStream;

/// Rounds, of which the middle one counts.
const ROUNDS: usize = 5;

/// Options of the run.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where compiled files and results are kept.
    #[arg(long, env = "SHOAL_BENCH_DIR")]
    folder: PathBuf,
    /// The folder with the guests.
    #[arg(long, env = "SHOAL_GUESTS")]
    guests: PathBuf,
    /// Where to write the figures; by default `links.json` in the folder.
    #[arg(long)]
    out: Option<PathBuf>,
    /// A hundredth of the calls, to see that it runs.
    #[arg(long)]
    quick: bool,
}

/// What is passed, there and back.
struct Load {
    /// The end of its figures' names.
    name: &'static str,
    /// What the guest is asked for.
    ask: &'static str,
    /// The same without the call.
    without: &'static str,
    size: usize,
    /// Calls for each measurement: fused, in process, by HTTP.
    calls: [u64; 3],
}

const LOADS: [Load; 3] = [
    Load {
        name: "",
        ask: "/?op=add",
        without: "/?op=none",
        size: 0,
        calls: [1_000_000, 20_000, 5_000],
    },
    Load {
        name: "_string_1kib",
        ask: "/?op=text&size=1024",
        without: "/?op=make-text&size=1024",
        size: 1 << 10,
        calls: [200_000, 20_000, 5_000],
    },
    Load {
        name: "_list_1mib",
        ask: "/?op=bytes&size=1048576",
        without: "/?op=make-bytes&size=1048576",
        size: 1 << 20,
        calls: [400, 100, 100],
    },
];

const SERVICES: &str = r#"
apiVersion: shoal.dev/v1alpha1
kind: WasmService
metadata: {name: fused}
spec:
  components:
  - name: web
    file: link_web.wasm
    links: [{import: "test:links/calls", component: lib}]
    limits: {cpuTime: 10m, requestTimeout: 10m}
  - {name: lib, file: link_provider.wasm}
  triggers: [{name: web, component: web, http: {}}]
---
apiVersion: shoal.dev/v1alpha1
kind: WasmService
metadata: {name: near}
spec:
  components:
  - name: web
    file: link_web.wasm
    links: [{import: "test:links/calls", service: callee}]
    limits: {cpuTime: 10m, requestTimeout: 10m}
  triggers: [{name: web, component: web, http: {}}]
---
apiVersion: shoal.dev/v1alpha1
kind: WasmService
metadata: {name: callee}
spec:
  components: [{name: lib, file: link_provider.wasm}]
---
apiVersion: shoal.dev/v1alpha1
kind: WasmService
metadata: {name: far}
spec:
  components: [{name: web, file: http_echo.wasm}]
  triggers: [{name: web, component: web, http: {}}]
"#;

/// Measures all three, prints the figures, and writes them.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    std::fs::create_dir_all(&options.folder)?;
    let corpus = Corpus::open(&options.folder)?;
    let host = host(&corpus);
    let mut ready = Vec::new();
    for manifest in services(SERVICES, "links.yaml")? {
        ready.push(prepare(&host, &manifest, &options.guests).await?);
    }
    let fleet = Fleet::new(Arc::clone(host.neighbourhood()));
    let mut arrivals = Vec::new();
    for service in ready {
        arrivals.push(arrival(service).await?);
    }
    fleet.place_all(arrivals)?;
    let mut addresses = Vec::new();
    for name in ["fused", "near", "far"] {
        let address = fleet.address(&ServiceId::new("default", name));
        addresses.push(address.context("a service that answers")?);
    }
    let [fused, near, far] = addresses.as_slice() else {
        anyhow::bail!("three servers");
    };
    let mut figures = Figures::default();
    for load in &LOADS {
        let calls = load
            .calls
            .map(|it| if options.quick { (it / 100).max(2) } else { it });
        let [fused_calls, near_calls, far_calls] = calls;
        let name = load.name;
        figures.set(
            format!("fused_call_ns{name}"),
            guests(*fused, load, fused_calls).await?,
        );
        figures.set(
            format!("in_process_call_ns{name}"),
            guests(*near, load, near_calls).await?,
        );
        figures.set(
            format!("http_call_ns{name}"),
            requests(*far, load, far_calls).await?,
        );
    }
    let json = figures.json()?;
    let out = options
        .out
        .clone()
        .unwrap_or_else(|| options.folder.join("links.json"));
    std::fs::write(&out, &json).with_context(|| format!("write {}", out.display()))?;
    println!("{json}\nwritten to {}", out.display());
    Ok(())
}

/// Nanoseconds of one call that a guest makes: of a request in which it makes many, less one in which it makes everything but the calls.
async fn guests(address: SocketAddr, load: &Load, calls: u64) -> anyhow::Result<f64> {
    let mut connection = open(address).await?;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let with = timed(&mut connection, &format!("{}&times={calls}", load.ask), 0).await?;
        let without = timed(&mut connection, &format!("{}&times={calls}", load.without), 0).await?;
        times.push((with - without) / calls as f64);
    }
    Ok(median(&times))
}

/// Nanoseconds of one request whose body comes back, on a connection that is kept.
async fn requests(address: SocketAddr, load: &Load, calls: u64) -> anyhow::Result<f64> {
    let mut connection = open(address).await?;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let mut sum = 0.0;
        for _ in 0..calls {
            sum += timed(&mut connection, "/", load.size).await?;
        }
        times.push(sum / calls as f64);
    }
    Ok(median(&times))
}

type Connection = SendRequest<Full<Bytes>>;

async fn open(address: SocketAddr) -> anyhow::Result<Connection> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (send, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // An error of the connection is also one of its request.
    tokio::spawn(async { connection.await.ok() });
    Ok(send)
}

/// Nanoseconds from a request to the end of its answer.
async fn timed(connection: &mut Connection, path: &str, size: usize) -> anyhow::Result<f64> {
    connection.ready().await?;
    let body = Full::new(Bytes::from(vec![7; size]));
    let request = Request::post(path).header(header::HOST, "bench").body(body)?;
    let start = Instant::now();
    let response = connection.send_request(request).await?;
    let status = response.status();
    let answer = response.into_body().collect().await?.to_bytes();
    let time = start.elapsed().as_secs_f64() * 1e9;
    ensure!(
        status == StatusCode::OK && answer.len() >= size,
        "{path}: {status} {}",
        String::from_utf8_lossy(answer.get(..answer.len().min(200)).unwrap_or_default())
    );
    Ok(time)
}
