//! Probes and metrics. A replica that waits to lead is ready: it has nothing else to do.

use crate::metrics::Metrics;
use anyhow::Context;
use axum::Router;
use axum::routing::get;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves both addresses until dropped.
pub(crate) async fn serve(
    metrics: Arc<Metrics>,
    health: SocketAddr,
    scrape: SocketAddr,
) -> anyhow::Result<()> {
    let text = move || {
        let text = metrics.text();
        async move { ([(http::header::CONTENT_TYPE, OPEN_METRICS)], text) }
    };
    let probes = Router::new().route("/livez", get(ok)).route("/readyz", get(ok));
    let scraped = Router::new().route("/metrics", get(text));
    let listen = |address: SocketAddr, flag: &'static str| async move {
        TcpListener::bind(address)
            .await
            .with_context(|| format!("--{flag} {address}"))
    };
    let health = listen(health, "health-address").await?;
    let scrape = listen(scrape, "metrics-address").await?;
    tokio::try_join!(
        axum::serve(health, probes).into_future(),
        axum::serve(scrape, scraped).into_future()
    )?;
    Ok(())
}

async fn ok() -> &'static str {
    "ok"
}
