//! `shoal up`: services from their manifests, until Ctrl-C. What runs is in `services`, what the manifests hold in `sources`,
//! what changed on disk in `watch`.

mod calling;
mod listen;
mod services;
mod signals;
mod sources;
mod watch;

use crate::console::Console;
use crate::event::Event;
use crate::failure::Failure;
use crate::registry::Registry;
use crate::{Global, Outcome, setup};
use clap::Args;
use listen::Listen;
use services::Services;
use shoal_api::Duration;
use shoal_artifact::PullPolicy;
use shoal_service::PoolOptions;
use signals::Signals;
use sources::Sources;
use std::path::PathBuf;
use watch::Watch;

/// What a shell says of a command that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Run services from their manifests
///
/// Every service with an HTTP trigger gets an address of its own. Secrets and ConfigMaps are seen by all services of one `shoal up`.
/// Ctrl-C lets requests in flight finish; a second one ends at once.
#[derive(Args, Debug)]
pub(crate) struct Up {
    /// Manifests; a folder stands for all .yaml files in it, - for standard input
    #[arg(required = true, value_name = "MANIFEST")]
    manifests: Vec<PathBuf>,
    /// The first service's address; others take the following ports. Port 0: any that is free
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3000", value_parser = listen::parse)]
    listen: Listen,
    /// Take over changes of manifests and of components that are files, without dropping requests
    #[arg(long)]
    watch: bool,
    /// How long requests in flight may take once the end was asked for
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    grace: Duration,
    /// Memories of instances that can exist at once; further requests wait
    #[arg(long, value_name = "N", default_value_t = PoolOptions::default().slots, value_parser = clap::value_parser!(u32).range(1..=16_000))]
    slots: u32,
    #[command(flatten)]
    registry: Registry,
}

pub(crate) async fn up(options: Up, global: &Global, console: &Console) -> Outcome {
    let Up {
        manifests: paths,
        listen,
        watch,
        grace,
        slots,
        registry,
    } = options;
    let mut signals =
        Signals::new().map_err(|error| Failure::new(format!("cannot wait for signals: {error}")))?;
    let mut sources = Sources::new(paths);
    let mut watch = Watch::new(watch);
    let manifests = sources.read().map_err(Failure::Manifest)?;
    if manifests.services.is_empty() {
        return Err(Failure::Usage("the manifests hold no WasmService".to_owned()));
    }
    watch.seen(sources.files().into_iter().flatten().chain(manifests.files()));
    let host = setup::host(
        global,
        console,
        PoolOptions { slots },
        registry.fetch(PullPolicy::IfNotPresent),
    )?;
    let mut services = Services::new(host, console.clone(), listen, grace.as_std());
    tokio::select! {
        started = services.start(manifests) => started?,
        () = signals.next() => return Ok(INTERRUPTED),
    }
    loop {
        let change = async {
            watch.changed(|| sources.files()).await;
            match sources.read() {
                Ok(manifests) => {
                    watch.seen(sources.files().into_iter().flatten().chain(manifests.files()));
                    services.change(manifests).await;
                }
                Err(problems) => {
                    let error = Failure::Manifest(problems).message();
                    console.send(Event::Kept { error });
                }
            }
        };
        tokio::select! {
            () = change => {}
            () = signals.next() => break,
        }
    }
    console.send(Event::Stopping);
    tokio::select! {
        () = services.stop() => Ok(0),
        () = signals.next() => Ok(INTERRUPTED),
    }
}
