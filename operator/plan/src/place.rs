//! Where a service runs. Today: in pods of its own. The decision stands here alone, so that packs are one more answer.

use shoal_api::{PlacementMode, WasmService};

use crate::conditions::{Reason, Refusal};

/// What `status.placement` says.
pub(crate) const DEDICATED: &str = "Dedicated";

/// Why the service can't be placed as its spec asks for.
pub(crate) fn refusal(service: &WasmService) -> Option<Refusal> {
    match service.spec.placement.mode {
        PlacementMode::Auto | PlacementMode::Dedicated => None,
        PlacementMode::Packed => Some(Refusal {
            reason: Reason::NotSupported,
            message: "spec.placement.mode: Packed is not supported on a cluster yet: set Auto or Dedicated"
                .to_owned(),
        }),
    }
}
