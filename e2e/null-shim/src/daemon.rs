//! The daemon: both services on one socket. What they do is in `tasks` and `sandboxes`.

use std::fs;
use std::sync::Arc;

use containerd_shim_protos::ttrpc::asynchronous::Server;
use tokio::signal::unix::{SignalKind, signal};

use crate::launch::socket;
use crate::table::Table;
use crate::{sandboxes, tasks};

/// Serves until it is told to end: it can't know whether containerd will want it again.
pub(crate) fn run() -> anyhow::Result<()> {
    // One thread: no request waits for anything but a row.
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(serve())
}

async fn serve() -> anyhow::Result<()> {
    let path = socket();
    // Of a daemon that was killed; the launcher holds a lock, and found that nobody listens.
    let _absent = fs::remove_file(&path);
    let table = Arc::new(Table::default());
    let mut server = Server::new()
        .bind(&format!("unix://{}", path.display()))?
        .register_service(tasks::services(&table))
        .register_service(sandboxes::services(&table));
    server.start().await?;
    signal(SignalKind::terminate())?.recv().await;
    let _absent = fs::remove_file(&path);
    server.shutdown().await?;
    Ok(())
}
