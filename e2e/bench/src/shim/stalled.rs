//! How long it takes until a pod answers beside what may stall a node, over the same on a quiet node. What that is, is in
//! `e2e/cluster` (`stalls`).

use super::cri::Cri;
use super::latency::{Paused, one};
use super::{Place, Runtime};
use crate::figures::{Figures, median, percentile};
use shoal_cluster::{Images, Stalls};

/// The namespaces: of what hangs and of its neighbours, of a worker that does not end, and of others. A namespace is a trust domain.
const STALLED: &str = "bench-stalled";
const HELD: &str = "bench-held";
const OTHER: &str = "bench";

/// Measures `pods` pods beside the stalls, half of them in the trust domain of what hangs.
pub(crate) async fn run(
    place: &Place,
    runtime: &Runtime,
    (pods, images): (u32, &Images),
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let namespaces = Namespaces::new(place)?;
    let quiet = measure(place, runtime, pods, 0).await?;
    let stalls = Stalls::start(&place.cluster, &place.node, (STALLED, HELD), images)?;
    let stalled = measure(place, runtime, pods, pods).await;
    drop((stalls, namespaces));
    let stalled = stalled?;
    for (kind, times) in [("quiet", &quiet), ("stalled", &stalled)] {
        for percent in [50.0, 95.0] {
            let name = format!("{kind}_neighbour_first_byte_ms_p{percent}");
            figures.set(name, percentile(times, percent));
        }
    }
    figures.set("stalled_neighbour_ratio", median(&stalled) / median(&quiet));
    Ok(())
}

/// Milliseconds until the first byte, of each pod.
async fn measure(place: &Place, runtime: &Runtime, pods: u32, first: u32) -> anyhow::Result<Vec<f64>> {
    // It removes pods that it knows nothing of.
    let _paused = Paused::new(place.local.pid("kubelet")?)?;
    let mut cri = Cri::connect(&place.local.cri).await?;
    cri.pull(&runtime.image).await?;
    let mut times = Vec::new();
    for namespace in [OTHER, STALLED] {
        // The first one of each starts a worker.
        for number in 0..=pods / 2 {
            let [.., answered] = one(place, runtime, &mut cri, (namespace, first + number)).await?;
            if number > 0 {
                times.extend(answered.map(|time| time.as_secs_f64() * 1000.0));
            }
        }
    }
    Ok(times)
}

/// Namespaces that are gone with this.
struct Namespaces<'a>(&'a Place);

impl<'a> Namespaces<'a> {
    fn new(place: &'a Place) -> anyhow::Result<Self> {
        let namespaces = Self(place);
        for namespace in [STALLED, HELD] {
            place.cluster.kubectl.run(&["create", "namespace", namespace])?;
        }
        Ok(namespaces)
    }
}

impl Drop for Namespaces<'_> {
    fn drop(&mut self) {
        let args = ["delete", "namespace", STALLED, HELD, "--wait=false"];
        // The run's own failure, if it has one, is the one to see.
        let _ = self.0.cluster.kubectl.run(&args);
    }
}
