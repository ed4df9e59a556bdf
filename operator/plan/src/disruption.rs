//! How many pods a drained node may take at once.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use shoal_api::WasmService;

use crate::{autoscale, meta};

/// One at a time, where there are several: a single one could never be moved.
pub(crate) fn of(service: &WasmService) -> Option<PodDisruptionBudget> {
    (autoscale::replicas(&service.spec.scaling) > 1).then(|| PodDisruptionBudget {
        metadata: meta::of(service, meta::name(service)),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(meta::selector(service)),
            // One that is not ready serves nobody, and must not hold up a drain.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    })
}
