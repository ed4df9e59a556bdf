//! What a service costs in memory when there are many: known but never called, loaded, unloaded again, and what stays when all are
//! gone.

use super::{Options, host, listen, manifest, prepare, unload};
use crate::corpus::Corpus;
use crate::figures::Figures;
use crate::machine;
use crate::web::Connection;
use anyhow::ensure;
use shoal_service::Service;
use shoal_trigger::http::{Routes, Running};

/// Services whose cost is the process's own: engine, pool, threads, caches.
const BASE: usize = 3;

pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let corpus = Corpus::open(&options.corpus)?;
    let host = host(&corpus);
    let running = listen(Routes::default()).await?;
    let mut connection = Connection::open(running.address()).await?;
    let count = options.count;
    let mut base = Vec::new();
    for index in 0..BASE {
        base.push(prepare(&host, &manifest(index)?, corpus.folder()).await?);
    }
    answer(&running, &mut connection, &base).await?;

    let mut figures = Figures::default();
    let before = machine::memory();
    let mut report = |name: &str| {
        let now = machine::memory();
        figures.set(
            format!("{name}_kib_per_service_{count}"),
            (now.0 - before.0) / count as f64,
        );
        figures.set(
            format!("{name}_pss_kib_per_service_{count}"),
            (now.1 - before.1) / count as f64,
        );
    };
    let mut services = Vec::with_capacity(count);
    for index in BASE..BASE + count {
        let service = prepare(&host, &manifest(index)?, corpus.folder()).await?;
        unload(&service)?;
        services.push(service);
    }
    report("never_called");
    answer(&running, &mut connection, &services).await?;
    report("loaded");
    services.iter().try_for_each(unload)?;
    report("idle");
    drop(services);
    running.replace(Routes::default());
    report("left");
    println!("{}", figures.json()?);
    Ok(())
}

/// Has each service answer once.
async fn answer(running: &Running, connection: &mut Connection, services: &[Service]) -> anyhow::Result<()> {
    for service in services {
        running.replace(service.routes());
        let (status, body) = connection.get("/", 1 << 20).await?;
        ensure!(
            status.is_success(),
            "{} answers {status}: {}",
            service.name(),
            String::from_utf8_lossy(&body)
        );
    }
    Ok(())
}
