//! The HorizontalPodAutoscaler of a service, and the bounds that its spec sets. Who decides in the end is in `scaling`.

use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, MetricSpec,
    MetricTarget, ResourceMetricSource,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use shoal_api::{Scaling, WasmService};

use crate::{Observed, meta, scaling};

/// The fewest replicas of a service in pods of its own: 0 means that it may be packed, never that it is off.
pub(crate) fn replicas(scaling: &Scaling) -> i32 {
    i32::try_from(scaling.min_replicas.max(1)).unwrap_or(i32::MAX)
}

/// The most, where it may be more than the fewest.
pub(crate) fn most(scaling: &Scaling) -> Option<i32> {
    let most = i32::try_from(scaling.max_replicas?).unwrap_or(i32::MAX);
    (most > replicas(scaling)).then_some(most)
}

/// The autoscaler, where the spec leaves room for one and nobody else has made one: two would undo each other's work. It goes by CPU time, which the shim counts for each pod though none has a
/// process: kubelet has to take it from containerd (feature gate PodAndContainerStatsFromCRI).
pub(crate) fn of(service: &WasmService, observed: &Observed) -> Option<HorizontalPodAutoscaler> {
    let scaling = &service.spec.scaling;
    let most = most(scaling).filter(|_| scaling::foreign(service, observed).is_none())?;
    Some(HorizontalPodAutoscaler {
        metadata: meta::of(service, meta::name(service)),
        spec: HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some("apps/v1".to_owned()),
                kind: "Deployment".to_owned(),
                name: meta::name(service),
            },
            min_replicas: Some(replicas(scaling)),
            max_replicas: most,
            metrics: Some(vec![MetricSpec {
                type_: "Resource".to_owned(),
                resource: Some(ResourceMetricSource {
                    name: "cpu".to_owned(),
                    target: MetricTarget {
                        type_: "AverageValue".to_owned(),
                        average_value: Some(Quantity(scaling.target_cpu.clone())),
                        ..MetricTarget::default()
                    },
                }),
                ..MetricSpec::default()
            }]),
            behavior: None,
        },
        status: None,
    })
}
