//! Measured from inside: these parts link the host library as a worker process does, through its public interface. Each runs in a
//! process of its own and prints its figures as JSON.

pub(crate) mod calls;
pub(crate) mod first;
pub(crate) mod fleet;
pub(crate) mod memory;
pub(crate) mod serve;

use crate::corpus::Corpus;
use anyhow::{Context, ensure};
use shoal_api::WasmService;
use shoal_api::manifest::{Document, parse};
use shoal_artifact::FetchOptions;
use shoal_capability::{Line, LogSink};
use shoal_engine::PoolOptions;
use shoal_fleet::Arrival;
use shoal_service::{Host, HostOptions, Logs, Objects, Service};
use shoal_trigger::http::{Routes, Running, ServerOptions};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// Options of every part.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The folder with the components, as `host` filled it.
    pub(crate) corpus: PathBuf,
    /// How many of its components to use.
    #[arg(long, default_value_t = 1)]
    pub(crate) count: usize,
}

/// Throws output away.
struct Nowhere;

impl LogSink for Nowhere {
    fn line(&self, _: Line<'_>) {}
    fn dropped(&self, _: u64) {}
}

impl Logs for Nowhere {
    fn of(&self, _: &str, _: &str) -> Arc<dyn LogSink> {
        Arc::new(Self)
    }
}

/// A host as `shoal up` has it, but for the log, and that it unmaps nothing by itself.
pub(crate) fn host(corpus: &Corpus) -> Host {
    let options = HostOptions {
        pool: PoolOptions::default(),
        fetch: FetchOptions::default(),
        logs: Arc::new(Nowhere),
        unload_after: Duration::from_secs(24 * 3600),
    };
    Host::new(corpus.cache.clone(), corpus.compiler.clone(), options)
}

/// The manifest of a service that consists of one component of the corpus.
fn manifest(index: usize) -> anyhow::Result<WasmService> {
    manifest_of(index, index)
}

/// The manifest of the service `index`, which consists of the component `component` of the corpus.
fn manifest_of(index: usize, component: usize) -> anyhow::Result<WasmService> {
    let file = Corpus::name(component);
    let text = format!(
        "apiVersion: shoal.dev/v1alpha1\nkind: WasmService\nmetadata: {{name: hello-{index}}}\nspec:\n  components:\n  \
         - {{name: web, file: {file}}}\n  triggers:\n  - {{name: web, component: web, http: {{}}}}\n"
    );
    services(&text, &file)?
        .pop()
        .context("the manifest holds a service")
}

/// The services in a manifest.
pub(crate) fn services(text: &str, name: &str) -> anyhow::Result<Vec<WasmService>> {
    let documents = parse(text, name).map_err(|problems| {
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!(problems.join("\n"))
    })?;
    let services = documents.into_iter().filter_map(|document| match document {
        Document::Service(service) => Some(*service),
        _ => None,
    });
    Ok(services.collect())
}

pub(crate) async fn prepare(host: &Host, manifest: &WasmService, base: &Path) -> anyhow::Result<Service> {
    Ok(host
        .prepare(manifest, &Objects::default(), base, true, &|_| Box::new(()))
        .await?)
}

/// Has the host forget a service's native code, as it does with one that nobody calls.
fn unload(service: &Service) -> anyhow::Result<()> {
    // The first time it only notes that nobody called since.
    service.sweep();
    service.sweep();
    ensure!(service.mapped() == 0, "{} stays mapped", service.name());
    Ok(())
}

/// A service that listens on a free port of loopback if it answers HTTP.
pub(crate) async fn arrival(service: Service) -> anyhow::Result<Arrival> {
    let listener = match service.answers_http() {
        true => Some(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?),
        false => None,
    };
    Ok(Arrival { service, listener })
}

/// Serves on a free port of loopback.
pub(crate) async fn listen(routes: Routes) -> anyhow::Result<Running> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    Ok(shoal_trigger::http::serve(
        listener,
        routes,
        ServerOptions::default(),
    )?)
}
