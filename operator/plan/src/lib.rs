//! What a WasmService becomes on a cluster: functions from its spec and what was observed to the objects that should be there and
//! the status that should be said. No client, no clock, no state: who watches, applies and waits is `operator/controller`.
//!
//! ```text
//! spec ── accept ── artifacts ── place ──> Dedicated ── parts ── pod ── workload, schedule, service, autoscale, … ──> objects
//! observed objects and pods ────────────────────────── verdict ── runs ── conditions ──────────────────────────────> status
//! ```

mod accept;
mod artifacts;
mod autoscale;
mod conditions;
mod destination;
mod disruption;
mod images;
mod injected;
mod limits;
mod meta;
mod network;
pub mod nodes;
mod object;
mod observed;
mod parts;
mod place;
mod pod;
mod probe;
mod references;
mod refused;
mod revision;
mod runs;
mod scaling;
mod schedule;
mod service;
mod status;
mod verdict;
mod workload;

pub use conditions::{Reason, Type};
pub use destination::{Destination, ServiceName, destinations};
pub use images::wanted as wanted_images;
pub use object::{Kind, Object};
pub use observed::{CreateFailure, Observed, Options, Referred, Resolution, Workload};
pub use references::{Reference, references};
pub use shoal_api::ReferenceKind;

use shoal_api::{WasmService, WasmServiceStatus};

/// What should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The objects that should be there. None: whatever is there stays as it is, since the spec can't be carried out.
    pub objects: Option<Vec<Object>>,
    /// What should be said of the service.
    pub status: WasmServiceStatus,
}

/// Decides what should be there for `service`, and what should be said of it.
pub fn plan(service: &WasmService, observed: &Observed, options: &Options) -> Plan {
    let refusal = accept::refusal(service).or_else(|| place::refusal(service));
    let refusal = refusal.or_else(|| accept::turned_away(observed));
    let artifacts = artifacts::of(service, observed);
    let objects = match (&refusal, artifacts.digests()) {
        (None, Some(digests)) => Some(workload::objects(service, &digests, observed, options)),
        _ => None,
    };
    let status = status::of(
        service,
        observed,
        options,
        refusal,
        &artifacts,
        objects.as_deref(),
    );
    Plan { objects, status }
}

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;
