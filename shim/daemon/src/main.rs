//! `shoald`, one for each node: containerd's requests in, pods as rows of a table and containers as tasks of workers out. It never
//! runs guest code, so no guest can hang or own it. Started and outlived by the keeper (`shim/launcher`).
//!
//! ```text
//! keeper ── ttrpc ──> task_service, sandbox_service ──> node (the table, on disk in records)
//!                                                        │ containers: bundle → image → compiled file → worker
//!                                                        │ workers, slots: workers start, are given up and end
//!                                                        │ upgrade: what runs moves to workers of this build
//!                                                        │ messages, broker: what workers say and ask for
//!                                                        └ report, events ──> containerd
//! ```

mod broker;
mod bundle;
mod cgroup;
mod containerd;
mod containers;
mod directories;
mod dns;
mod entry;
mod error;
mod events;
mod files;
mod handover;
mod images;
mod keeper;
mod messages;
mod metrics;
mod moves;
mod netns;
mod node;
mod paths;
mod pods;
mod process;
mod program;
mod record;
mod records;
mod report;
mod sandbox_service;
mod slots;
mod stdio;
mod storage;
mod table;
mod task_service;
mod upgrade;
mod worker;
mod workers;

#[cfg(test)]
mod tests;

use anyhow::Context;
use containerd_shim_protos::ttrpc::asynchronous::Server;
use std::io;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_env("SHOAL_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false)
        .init();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(serve())
}

async fn serve() -> anyhow::Result<()> {
    let paths = paths::Paths::from_env();
    let (keeper, left) = keeper::Keeper::inherited()
        .await
        .context("shoald is started by containerd-shim-shoal-v1, which hands it a socket as descriptor 3")?;
    let images = images::Images::new(&paths)?;
    let events = events::Events::start(paths.clone());
    let socket = paths.socket();
    let edges = node::Edges {
        images,
        events,
        keeper,
        launcher: Box::new(process::Programs::new(paths.clone())),
    };
    let node = node::Node::restore(paths, edges, left.kept).await?;
    let upgrading = std::sync::Arc::clone(&node);
    images::collect::start(&node);
    metrics::start(&node);
    // Whatever an earlier daemon left there.
    let _ = std::fs::remove_file(&socket);
    let mut server = Server::new()
        .bind(&format!("unix://{}", socket.display()))?
        .register_service(task_service::services(&node))
        .register_service(sandbox_service::services(&node));
    server.start().await?;
    tracing::info!(socket = %socket.display(), "ready");
    tokio::spawn(async move { upgrading.upgrade().await });
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        () = async { while node.keeper.next().await.is_some() {} } => {
            tracing::warn!("the keeper has ended");
        }
    }
    let _ = std::fs::remove_file(&socket);
    server.shutdown().await?;
    Ok(())
}
