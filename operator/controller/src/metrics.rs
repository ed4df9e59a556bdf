//! What Prometheus is told of the operator.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::time::Duration;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Write {
    kind: String,
    verb: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    result: String,
}

pub(crate) struct Metrics {
    registry: Registry,
    reconciles: Family<Outcome, Counter>,
    duration: Histogram,
    writes: Family<Write, Counter>,
    resolutions: Family<Outcome, Counter>,
    leader: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("shoal_operator");
        let reconciles = Family::default();
        registry.register(
            "reconciles",
            "Reconciliations of services, by result",
            reconciles.clone(),
        );
        let duration = Histogram::new(exponential_buckets(0.001, 2.0, 14));
        registry.register(
            "reconcile_seconds",
            "How long a reconciliation took",
            duration.clone(),
        );
        let writes = Family::default();
        registry.register(
            "api_writes",
            "Writes to the API server, by kind and verb",
            writes.clone(),
        );
        let resolutions = Family::default();
        registry.register(
            "image_resolutions",
            "Questions to registries, by result",
            resolutions.clone(),
        );
        let leader = Gauge::default();
        registry.register("leader", "1 while this replica leads", leader.clone());
        Self {
            registry,
            reconciles,
            duration,
            writes,
            resolutions,
            leader,
        }
    }

    pub(crate) fn reconciled(&self, well: bool, took: Duration) {
        self.reconciles.get_or_create(&outcome(well)).inc();
        self.duration.observe(took.as_secs_f64());
    }

    pub(crate) fn wrote(&self, kind: &str, verb: &str) {
        let write = Write {
            kind: kind.to_owned(),
            verb: verb.to_owned(),
        };
        self.writes.get_or_create(&write).inc();
    }

    pub(crate) fn resolved(&self, well: bool) {
        self.resolutions.get_or_create(&outcome(well)).inc();
    }

    pub(crate) fn leads(&self, leads: bool) {
        self.leader.set(leads.into());
    }

    /// In the text format of OpenMetrics 1.0.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}

fn outcome(well: bool) -> Outcome {
    let result = if well { "ok" } else { "error" };
    Outcome {
        result: result.to_owned(),
    }
}
