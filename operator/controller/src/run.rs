//! `shoal-operator run`: waits to lead, then leads, until it is told to end or may lead no longer.

use crate::cache::Cache;
use crate::callees::Callees;
use crate::context::Context;
use crate::events::Events;
use crate::fence::Fence;
use crate::leader::Leader;
use crate::metrics::Metrics;
use crate::options::RunOptions;
use crate::reconcile::{Failures, failed, reconcile};
use crate::referred::ReferredObjects;
use crate::registry::Registry;
use crate::scope::Scope;
use crate::{http, nodes};
use anyhow::{Context as _, bail};
use futures::StreamExt;
use kube::runtime::{Controller, controller, watcher};
use kube::{Client, Config};
use rand::RngExt;
use shoal_plan::Options;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Changes of one service within this time are looked at together.
const DEBOUNCE: Duration = Duration::from_millis(100);
/// How long work in flight may take to end.
const GRACE: Duration = Duration::from_secs(10);

pub(crate) async fn run(options: RunOptions) -> anyhow::Result<()> {
    if options.renew_deadline >= options.lease_duration {
        bail!("--renew-deadline has to be less than --lease-duration: else two replicas could write at once");
    }
    let me = options.identity.clone().unwrap_or_else(identity);
    let client = client(&me).await?;
    let metrics = Arc::new(Metrics::new());
    let mut served = tokio::spawn(http::serve(
        Arc::clone(&metrics),
        options.health_address,
        options.metrics_address,
    ));
    let fence = Arc::new(Fence::default());
    let mut leader = Leader::new(client.clone(), &options, me.clone(), Arc::clone(&fence));
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    tracing::info!(
        me,
        "waiting for the lease {}/{}",
        options.lease_namespace,
        options.lease_name
    );
    tokio::select! {
        () = leader.acquire() => {}
        _ = terminated.recv() => return Ok(()),
        _ = interrupted.recv() => return Ok(()),
        ended = &mut served => return ended?.context("probes and metrics"),
    }
    tracing::info!(me, "leading");
    metrics.leads(true);
    let stop = CancellationToken::new();
    let mut work = work(&client, &options, &me, &metrics, &fence, &stop);
    let ended = tokio::select! {
        error = leader.hold() => Err(error.into()),
        _ = terminated.recv() => Ok(()),
        _ = interrupted.recv() => Ok(()),
        ended = &mut served => ended?.context("probes and metrics"),
        Some(ended) = work.join_next() => Err(anyhow::anyhow!("a watch ended: {ended:?}")),
    };
    stop.cancel();
    if ended.is_ok() {
        let finish = async { while work.join_next().await.is_some() {} };
        // The lease is held meanwhile by what is left of it.
        let _ = tokio::time::timeout(GRACE, finish).await;
        leader.release().await;
    }
    ended
}

async fn client(me: &str) -> anyhow::Result<Client> {
    let mut config = Config::infer().await.context("find the API server")?;
    let agent = format!("shoal-operator/{} ({me})", env!("CARGO_PKG_VERSION"));
    config
        .headers
        .push((::http::header::USER_AGENT, agent.parse().context("--identity")?));
    Client::try_from(config).context("reach the API server")
}

/// Where there is no pod to be named after.
fn identity() -> String {
    let number: u64 = rand::rng().random();
    format!("{number:016x}")
}

fn work(
    client: &Client,
    options: &RunOptions,
    me: &str,
    metrics: &Arc<Metrics>,
    fence: &Arc<Fence>,
    stop: &CancellationToken,
) -> JoinSet<()> {
    let registry = Registry::new(client.clone(), &options.insecure_registry, Arc::clone(metrics));
    let mut work = JoinSet::new();
    for scope in Scope::of(&options.watch_namespaces) {
        let callees = Callees::new(&scope);
        let (cache, mut touched) = Cache::watch(client, &scope, &callees);
        let referred = ReferredObjects::new(client.clone());
        touched.extend(referred.watch(client, &scope));
        let context = Arc::new(Context {
            client: client.clone(),
            cache,
            callees,
            fence: Arc::clone(fence),
            metrics: Arc::clone(metrics),
            events: Events::new(client.clone(), me),
            registry: Arc::clone(&registry),
            referred,
            failures: Failures::default(),
            options: Options {
                runtime_class: options.runtime_class.clone(),
                cluster_domain: options.cluster_domain.clone(),
            },
        });
        let config = controller::Config::default()
            .debounce(DEBOUNCE)
            .concurrency(options.concurrency);
        let stopped = stop.clone().cancelled_owned();
        let services = Controller::new(scope.api(client.clone()), watcher::Config::default())
            .with_config(config)
            .graceful_shutdown_on(stopped);
        let services = touched.into_iter().fold(services, Controller::reconcile_on);
        let first = Arc::clone(&context);
        let reconcile = move |service, context: Arc<Context>| {
            let first = Arc::clone(&first);
            async move {
                // Before all is known, what is there would look as if it were not.
                first.cache.ready().await;
                reconcile(service, context).await
            }
        };
        let policy = |service, error: &crate::error::Error, context| failed(&service, error, &context);
        let running = services.run(reconcile, policy, context).for_each(|ended| {
            if let Err(error) = ended {
                tracing::debug!("{error}");
            }
            std::future::ready(())
        });
        work.spawn(running);
    }
    if let Some(namespace) = options.installer_namespace.clone().filter(|it| !it.is_empty()) {
        let nodes = nodes::Nodes {
            client: client.clone(),
            namespace,
            selector: options.node_selector.clone(),
            max_unavailable: options.max_unavailable,
            fence: Arc::clone(fence),
            metrics: Arc::clone(metrics),
        };
        let stopped = stop.clone();
        work.spawn(async move {
            tokio::select! {
                () = nodes.run() => {}
                () = stopped.cancelled() => {}
            }
        });
    }
    work
}
