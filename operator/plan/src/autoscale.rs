//! How many replicas a service has, and who decides it.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, MetricSpec,
    MetricTarget, ResourceMetricSource,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use shoal_api::{Scaling, WasmService, labels};

use crate::meta;

/// The fewest replicas of a service in pods of its own: 0 means that it may be packed, never that it is off.
pub(crate) fn replicas(scaling: &Scaling) -> i32 {
    i32::try_from(scaling.min_replicas.max(1)).unwrap_or(i32::MAX)
}

fn most(scaling: &Scaling) -> Option<i32> {
    let most = i32::try_from(scaling.max_replicas?).unwrap_or(i32::MAX);
    (most > replicas(scaling)).then_some(most)
}

/// The autoscaler, where the spec leaves room for one. It goes by CPU time, which the shim counts for each pod though none has a
/// process: kubelet has to take it from containerd (feature gate PodAndContainerStatsFromCRI).
pub(crate) fn of(service: &WasmService) -> Option<HorizontalPodAutoscaler> {
    let scaling = &service.spec.scaling;
    let most = most(scaling)?;
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

/// What our field manager says of `replicas`. Nothing, where an autoscaler has taken the field: to say what was seen would put back
/// what it has changed since. Until it has, what is there is said again, as a field that nobody owns falls back to 1.
pub(crate) fn desired(service: &WasmService, deployment: Option<&Deployment>) -> Option<i32> {
    let scaling = &service.spec.scaling;
    let least = replicas(scaling);
    let (Some(most), Some(deployment)) = (most(scaling), deployment) else {
        return Some(least);
    };
    if owned_by_another(deployment) {
        return None;
    }
    let now = deployment.spec.as_ref().and_then(|spec| spec.replicas);
    Some(now.unwrap_or(least).clamp(least, most))
}

fn owned_by_another(deployment: &Deployment) -> bool {
    let entries = deployment.metadata.managed_fields.as_deref().unwrap_or_default();
    entries.iter().any(|entry| {
        let fields = entry.fields_v1.as_ref().map(|it| &it.0);
        entry.manager.as_deref() != Some(labels::OPERATOR)
            && fields.is_some_and(|it| !it["f:spec"]["f:replicas"].is_null())
    })
}
