//! From a compiled file that lies in the cache, and is mapped nowhere, to the first answer of its service.

use super::calls::Template;
use super::{Options, host, listen, manifest, prepare};
use crate::corpus::Corpus;
use crate::figures::{Figures, percentile};
use crate::web::Connection;
use anyhow::ensure;
use rustix::fs::Advice;
use shoal_engine::{Engines, PoolOptions};
use shoal_trigger::http::Routes;
use std::path::Path;
use std::time::Instant;

/// Services that are started before any is measured.
const WARM_UP: usize = 5;

pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let corpus = Corpus::open(&options.corpus)?;
    let mut figures = Figures::default();
    let half = options.count / 2;
    let warm = services(&corpus, 0..half, false).await?;
    let cold = services(&corpus, half..options.count, true).await?;
    let bare = bare(&corpus, 0..half).await?;
    for (name, times) in [
        ("first_answer", warm),
        ("first_answer_from_disk", cold),
        ("bare_first_answer", bare),
    ] {
        figures.set(format!("unloaded_{name}_ms_p50"), percentile(&times, 50.0));
        figures.set(format!("unloaded_{name}_ms_p99"), percentile(&times, 99.0));
    }
    println!("{}", figures.json()?);
    Ok(())
}

/// What a client sees: everything from the manifest to the answer over a connection that is open already, in milliseconds. With
/// `cold`, the files are not in the page cache either.
async fn services(corpus: &Corpus, which: std::ops::Range<usize>, cold: bool) -> anyhow::Result<Vec<f64>> {
    let host = host(corpus);
    let running = listen(Routes::default()).await?;
    let mut connection = Connection::open(running.address()).await?;
    let mut times = Vec::new();
    for (count, index) in which.enumerate() {
        let manifest = manifest(index)?;
        if cold {
            let compiled = corpus.compiled(index).await?;
            forget(&compiled.path)?;
            forget(&compiled.path.with_extension("json"))?;
            forget(&corpus.folder().join(Corpus::name(index)))?;
        }
        let start = Instant::now();
        let service = prepare(&host, &manifest, corpus.folder()).await?;
        running.replace(service.routes());
        let (status, body) = connection.get("/", 1 << 20).await?;
        let time = start.elapsed().as_secs_f64() * 1e3;
        ensure!(
            status.is_success() && !body.is_empty(),
            "{status}: {}",
            String::from_utf8_lossy(&body)
        );
        running.replace(Routes::default());
        if count >= WARM_UP {
            times.push(time);
        }
    }
    Ok(times)
}

/// The same without HTTP, manifest and cache: map, link, instantiate, call.
async fn bare(corpus: &Corpus, which: std::ops::Range<usize>) -> anyhow::Result<Vec<f64>> {
    let engines = Engines::new(PoolOptions::default());
    let mut times = Vec::new();
    for (count, index) in which.enumerate() {
        let compiled = corpus.compiled(index).await?;
        let start = Instant::now();
        let imports = compiled
            .description
            .imports
            .iter()
            .map(|import| import.name.as_str());
        let template = Template::load(&engines, &compiled.path, imports)?;
        let answered = template.call().await?;
        let time = start.elapsed().as_secs_f64() * 1e3;
        ensure!(answered > 0, "an empty answer");
        if count >= WARM_UP {
            times.push(time);
        }
    }
    Ok(times)
}

/// Takes a file out of the page cache.
fn forget(path: &Path) -> anyhow::Result<()> {
    let file = std::fs::File::open(path)?;
    // Pages that are not written back yet would stay.
    file.sync_all()?;
    rustix::fs::fadvise(&file, 0, None, Advice::DontNeed)?;
    Ok(())
}
