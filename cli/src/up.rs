//! `shoal up`: services from their manifests, until Ctrl-C. What runs is in `fleet`, what changed on disk in `watch`.

mod calling;
mod fleet;
mod listen;
mod signals;
mod watch;

use crate::console::Console;
use crate::event::Event;
use crate::failure::Failure;
use crate::manifests::{self, Manifests, Text};
use crate::registry::Registry;
use crate::{Global, Outcome, setup};
use clap::Args;
use fleet::Fleet;
use listen::Listen;
use shoal_api::{Duration, Problem};
use shoal_artifact::PullPolicy;
use shoal_service::PoolOptions;
use signals::Signals;
use std::path::{Path, PathBuf};
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
    let mut sources = Sources { paths, stdin: None };
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
    let mut fleet = Fleet::new(host, console.clone(), listen, grace.as_std());
    tokio::select! {
        started = fleet.start(manifests) => started?,
        () = signals.next() => return Ok(INTERRUPTED),
    }
    loop {
        let change = async {
            watch.changed(|| sources.files()).await;
            match sources.read() {
                Ok(manifests) => {
                    watch.seen(sources.files().into_iter().flatten().chain(manifests.files()));
                    fleet.change(manifests).await;
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
        () = fleet.stop() => Ok(0),
        () = signals.next() => Ok(INTERRUPTED),
    }
}

/// Where manifests come from.
struct Sources {
    paths: Vec<PathBuf>,
    /// Standard input can be read once.
    stdin: Option<Text>,
}

impl Sources {
    /// The manifests' files as they are now: those of a folder come and go.
    fn files(&self) -> Result<Vec<PathBuf>, Problem> {
        manifests::expand(&self.paths)
    }

    fn read(&mut self) -> Result<Manifests, Vec<Problem>> {
        let files = self.files().map_err(|problem| vec![problem])?;
        if self.stdin.is_none() && files.iter().any(|it| it == Path::new("-")) {
            self.stdin = Some(manifests::read(Path::new("-")));
        }
        let mut texts: Vec<_> = files
            .iter()
            .filter(|it| *it != Path::new("-"))
            .map(|path| manifests::read(path))
            .collect();
        texts.extend(self.stdin.clone());
        let manifests = manifests::parse(&texts)?;
        let unsupported: Vec<_> = manifests
            .services
            .iter()
            .flat_map(manifests::Entry::unsupported)
            .collect();
        if unsupported.is_empty() {
            Ok(manifests)
        } else {
            Err(unsupported)
        }
    }
}

impl Manifests {
    /// The components' files.
    fn files(&self) -> impl Iterator<Item = PathBuf> {
        self.services.iter().flat_map(manifests::Entry::files)
    }
}
