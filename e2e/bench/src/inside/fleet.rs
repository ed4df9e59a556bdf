//! What a change of one service costs among few and among many: placing one more, replacing it, withdrawing it. Meanwhile the others are
//! asked, one after the other, and each of them has to answer.

use super::{Options, arrival, host, manifest_of, prepare};
use crate::corpus::Corpus;
use crate::figures::{Figures, median};
use crate::web;
use anyhow::ensure;
use shoal_api::WasmService;
use shoal_fleet::{Fleet, ServiceId};
use shoal_service::Host;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Services of the small fleet.
const FEW: usize = 10;
/// Changes of each kind that are measured in each fleet, one in turn; and those before.
const ROUNDS: usize = 200;
const WARM_UP: usize = 10;
/// Components of the corpus that the service that changes is made of, in turn, and no other.
const CHANGED: usize = 8;
/// Between two requests to the others: they are asked to see that they answer, not to fill the processors.
const PAUSE: Duration = Duration::from_millis(1);

/// Microseconds of each kind of change.
#[derive(Default)]
struct Times {
    place: Vec<f64>,
    replace: Vec<f64>,
    withdraw: Vec<f64>,
}

/// A fleet, and where its services answer.
struct Place {
    host: Host,
    fleet: Fleet,
    addresses: Vec<SocketAddr>,
    times: Times,
}

pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let corpus = Corpus::open(&options.corpus)?;
    let components = corpus.len();
    ensure!(components > CHANGED, "the corpus has components");
    let mut few = Place::fill(&corpus, FEW, components - CHANGED).await?;
    let mut many = Place::fill(&corpus, options.count, components - CHANGED).await?;
    let asked = Arc::new(AtomicU64::new(0));
    for round in 0..WARM_UP + ROUNDS {
        // Not in two series: what the machine does beside hits both.
        for place in [&mut few, &mut many] {
            let component = components - 1 - round % CHANGED;
            let manifest = manifest_of(options.count, component)?;
            place.change(&corpus, &manifest, &asked).await?;
        }
    }
    let mut figures = Figures::default();
    let cycle_of_few = few.report(FEW, &mut figures);
    let cycle_of_many = many.report(options.count, &mut figures);
    figures.set("place_ratio", cycle_of_many / cycle_of_few);
    figures.set("place_others_answers", asked.load(Ordering::Relaxed) as f64);
    println!("{}", figures.json()?);
    Ok(())
}

impl Place {
    /// `count` services, made of `components` distinct components: each of its own where there are as many.
    async fn fill(corpus: &Corpus, count: usize, components: usize) -> anyhow::Result<Self> {
        let host = host(corpus);
        let fleet = Fleet::new(Arc::clone(host.neighbourhood()));
        let mut addresses = Vec::new();
        for index in 0..count {
            let service = prepare(&host, &manifest_of(index, index % components)?, corpus.folder()).await?;
            let id = service.id().clone();
            fleet.place(arrival(service).await?)?;
            addresses.extend(fleet.address(&id));
        }
        ensure!(addresses.len() == count, "each service listens");
        Ok(Self {
            host,
            fleet,
            addresses,
            times: Times::default(),
        })
    }

    /// Places a service, replaces it, and withdraws it, while all others are asked.
    async fn change(
        &mut self,
        corpus: &Corpus,
        manifest: &WasmService,
        asked: &Arc<AtomicU64>,
    ) -> anyhow::Result<()> {
        let done = Arc::new(AtomicBool::new(false));
        let asking = tokio::spawn(ask(self.addresses.clone(), Arc::clone(&done), Arc::clone(asked)));
        let changed = self.cycle(corpus, manifest).await;
        done.store(true, Ordering::Relaxed);
        asking.await??;
        changed
    }

    async fn cycle(&mut self, corpus: &Corpus, manifest: &WasmService) -> anyhow::Result<()> {
        let Self {
            host, fleet, times, ..
        } = self;
        let id = ServiceId::of_manifest(manifest);

        let start = Instant::now();
        let service = prepare(host, manifest, corpus.folder()).await?;
        fleet.place(arrival(service).await?)?;
        times.place.push(micros(start));

        let start = Instant::now();
        let service = prepare(host, manifest, corpus.folder()).await?;
        let before = fleet.replace(shoal_fleet::Arrival {
            service,
            listener: None,
        })?;
        times.replace.push(micros(start));
        ensure!(before.finish(PAUSE).await, "nothing was in flight");

        let start = Instant::now();
        let withdrawn = fleet.withdraw(&id);
        times.withdraw.push(micros(start));
        let withdrawn = withdrawn.ok_or_else(|| anyhow::anyhow!("{id} is there"))?;
        ensure!(
            withdrawn.draining.finish(Duration::from_secs(10)).await,
            "nothing was in flight"
        );
        Ok(())
    }

    /// Writes down the middle of each kind of change. Returns the microseconds of all three.
    fn report(&self, count: usize, figures: &mut Figures) -> f64 {
        let kinds = [
            ("placed", &self.times.place),
            ("replaced", &self.times.replace),
            ("withdrawn", &self.times.withdraw),
        ];
        let mut cycle = 0.0;
        for (kind, times) in kinds {
            let middle = median(times.get(WARM_UP..).unwrap_or_default());
            figures.set(format!("service_{kind}_us_{count}"), middle);
            cycle += middle;
        }
        cycle
    }
}

/// Asks one service after the other until the change is done. Each has to answer.
async fn ask(addresses: Vec<SocketAddr>, done: Arc<AtomicBool>, asked: Arc<AtomicU64>) -> anyhow::Result<()> {
    // From where it stopped the last time: all of them have their turn.
    let begin = asked.load(Ordering::Relaxed) as usize;
    for turn in begin.. {
        let Some(address) = addresses.get(turn % addresses.len()) else {
            break;
        };
        let (status, body) = web::get(*address, "/").await?;
        ensure!(
            status.is_success(),
            "{address} answered {status}: {}",
            String::from_utf8_lossy(&body)
        );
        asked.fetch_add(1, Ordering::Relaxed);
        if done.load(Ordering::Relaxed) {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

fn micros(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e6
}
