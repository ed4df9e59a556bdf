//! How long the first answer takes: of a service whose native code is a file that is mapped nowhere, and of one that is not even
//! known to the process.

use super::calls::Template;
use super::{Options, host, listen, manifest, prepare, unload};
use crate::corpus::Corpus;
use crate::figures::{Figures, percentile};
use crate::web::Connection;
use anyhow::ensure;
use rustix::fs::Advice;
use shoal_engine::{Engines, PoolOptions};
use shoal_trigger::http::{Routes, Running};
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

/// Services that answer before any is measured.
const WARM_UP: usize = 5;

pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let corpus = Corpus::open(&options.corpus)?;
    let mut figures = Figures::default();
    // Each component is used once, so that nothing is left of an earlier use.
    let quarter = options.count / 4;
    let part = |n: usize| n * quarter..(n + 1) * quarter;
    for (name, times) in [
        ("unloaded_first_answer", unloaded(&corpus, part(0), false).await?),
        (
            "unloaded_first_answer_from_disk",
            unloaded(&corpus, part(1), true).await?,
        ),
        (
            "unloaded_first_call_without_http",
            without_http(&corpus, part(2)).await?,
        ),
        ("unknown_first_answer", unknown(&corpus, part(3)).await?),
    ] {
        figures.set(format!("{name}_ms_p50"), percentile(&times, 50.0));
        figures.set(format!("{name}_ms_p99"), percentile(&times, 99.0));
    }
    println!("{}", figures.json()?);
    Ok(())
}

/// A client that waits on a connection that is open already.
struct Client {
    running: Running,
    connection: Connection,
}

impl Client {
    async fn new() -> anyhow::Result<Self> {
        let running = listen(Routes::default()).await?;
        let connection = Connection::open(running.address()).await?;
        Ok(Self { running, connection })
    }

    /// Milliseconds since `start` when these routes have answered.
    async fn answered(&mut self, routes: Routes, start: Instant) -> anyhow::Result<f64> {
        self.running.replace(routes);
        let (status, body) = self.connection.get("/", 1 << 20).await?;
        let time = start.elapsed().as_secs_f64() * 1e3;
        ensure!(
            status.is_success() && !body.is_empty(),
            "{status}: {}",
            String::from_utf8_lossy(&body)
        );
        Ok(time)
    }
}

/// Services that are known and were unmapped. With `from_disk`, their files are not in the page cache either.
async fn unloaded(corpus: &Corpus, which: Range<usize>, from_disk: bool) -> anyhow::Result<Vec<f64>> {
    let host = host(corpus);
    let mut services = Vec::new();
    for index in which {
        let service = prepare(&host, &manifest(index)?, corpus.folder()).await?;
        unload(&service)?;
        services.push((service, corpus.compiled(index).await?.path));
    }
    let mut client = Client::new().await?;
    let mut times = Vec::new();
    for (service, path) in &services {
        if from_disk {
            forget(path)?;
        }
        times.push(client.answered(service.routes(), Instant::now()).await?);
    }
    Ok(times.split_off(WARM_UP))
}

/// Services of which there is only a manifest and what the cache has of earlier days: `shoal up` of something known.
async fn unknown(corpus: &Corpus, which: Range<usize>) -> anyhow::Result<Vec<f64>> {
    let host = host(corpus);
    let mut client = Client::new().await?;
    let mut times = Vec::new();
    for index in which {
        let manifest = manifest(index)?;
        let start = Instant::now();
        let service = prepare(&host, &manifest, corpus.folder()).await?;
        times.push(client.answered(service.routes(), start).await?);
    }
    Ok(times.split_off(WARM_UP))
}

/// The engine's part alone: map, link, instantiate, call.
async fn without_http(corpus: &Corpus, which: Range<usize>) -> anyhow::Result<Vec<f64>> {
    let engines = Engines::new(PoolOptions::default());
    let mut times = Vec::new();
    for index in which {
        let compiled = corpus.compiled(index).await?;
        let start = Instant::now();
        let imports = compiled
            .description
            .imports
            .iter()
            .map(|import| import.name.as_str());
        let template = Template::load(&engines, &compiled.path, imports)?;
        let answered = template.call().await?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        ensure!(answered > 0, "an empty answer");
    }
    Ok(times.split_off(WARM_UP))
}

/// Takes a file out of the page cache.
fn forget(path: &Path) -> anyhow::Result<()> {
    let file = std::fs::File::open(path)?;
    // Pages that are not written back yet would stay.
    file.sync_all()?;
    rustix::fs::fadvise(&file, 0, None, Advice::DontNeed)?;
    Ok(())
}
