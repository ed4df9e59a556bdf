//! Several services in one process, each on a port of its own, as neighbours.

use super::{host, listen, prepare, services};
use crate::corpus::Corpus;
use anyhow::Context;
use std::path::PathBuf;
use tokio::io::AsyncReadExt;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The folder whose cache is used.
    corpus: PathBuf,
    /// The manifest; paths in it begin at its folder.
    manifest: PathBuf,
}

/// Prints a line `NAME ADDRESS` for each service and an empty one, and serves until stdin ends.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let corpus = Corpus::open(&options.corpus)?;
    let host = host(&corpus);
    let path = &options.manifest;
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let base = path.parent().context("the manifest lies in a folder")?;
    let mut running = Vec::new();
    for manifest in services(&text, &path.to_string_lossy())? {
        let service = prepare(&host, &manifest, base).await?;
        let server = listen(service.routes()).await?;
        println!("{} {}", service.name(), server.address());
        running.push((service, server));
    }
    println!();
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    Ok(())
}
