//! Who decides how many replicas a service has. The manifest does, unless somebody else has taken it on: an autoscaler of theirs, or who
//! wrote `spec.replicas` of the Deployment.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use serde_json::Value;
use shoal_api::{KIND, WasmService, labels};

use crate::autoscale::{most, replicas};
use crate::{Observed, meta, parts};

/// The field manager of all HorizontalPodAutoscalers.
const AUTOSCALERS: &str = "kube-controller-manager";

/// Who decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decider {
    /// `spec.scaling` of the service.
    Manifest,
    /// The autoscaler that the operator makes.
    Own(String),
    /// An autoscaler of somebody else, of the Deployment.
    Autoscaler(String),
    /// An autoscaler of somebody else, of the service: it writes `spec.scaling.minReplicas`.
    OfService(String),
    /// The field manager that wrote the Deployment's `spec.replicas`.
    Manager(String),
    /// The field manager that wrote 0 into the service's `/scale`.
    Off(String),
}

impl Decider {
    /// For `status.scaledBy`.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Manifest => "spec.scaling".to_owned(),
            Self::Own(name) | Self::Autoscaler(name) => format!("HorizontalPodAutoscaler {name}"),
            Self::OfService(name) => format!("HorizontalPodAutoscaler {name}, by spec.scaling.minReplicas"),
            Self::Manager(manager) => format!("{manager}, by the Deployment's spec.replicas"),
            Self::Off(manager) => format!("{manager}, by the WasmService's /scale"),
        }
    }
}

/// Who decides now.
pub(crate) fn decider(service: &WasmService, observed: &Observed) -> Decider {
    let deployment = observed.workload.deployment.as_ref();
    let owner = deployment.and_then(|it| owner(&it.metadata));
    let off = deployment.and_then(|it| it.spec.as_ref()?.replicas) == Some(0);
    let scaled = of_scale(&service.metadata);
    if let Some(foreign) = foreign(service, observed) {
        return foreign;
    }
    if let Some(entry) = scaled.filter(|_| service.spec.scaling.min_replicas == 0) {
        return Decider::Off(manager(entry));
    }
    // Who wrote the service's /scale after that has taken the decision back.
    let taken_back = |owner: &ManagedFieldsEntry| scaled.is_some_and(|it| it.time >= owner.time);
    // Of an autoscaler that is gone nothing is left to decide.
    let other = owner.filter(|it| it.manager.as_deref() != Some(AUTOSCALERS) && !taken_back(it));
    match (most(&service.spec.scaling), other) {
        // An autoscaler leaves alone what is scaled to 0, and nothing else.
        (Some(_), Some(entry)) if off => Decider::Manager(manager(entry)),
        (Some(_), _) => Decider::Own(meta::name(service)),
        (None, Some(entry)) => Decider::Manager(manager(entry)),
        (None, None) => Decider::Manifest,
    }
}

/// The autoscaler that somebody else has made for the service.
pub(crate) fn foreign(service: &WasmService, observed: &Observed) -> Option<Decider> {
    let named = |it: &HorizontalPodAutoscaler| it.metadata.name.clone().unwrap_or_default();
    let ours = |it: &HorizontalPodAutoscaler| {
        let mut owners = it.metadata.owner_references.iter().flatten();
        owners.any(|it| Some(&it.uid) == service.metadata.uid.as_ref())
    };
    let targets = |it: &HorizontalPodAutoscaler, kind: &str| {
        let target = &it.spec.scale_target_ref;
        target.kind == kind && target.name == meta::name(service)
    };
    let of = |kind| {
        let mut all = observed.workload.autoscalers.iter();
        all.find(|it| !ours(it) && targets(it, kind)).map(named)
    };
    let of_deployment = of("Deployment").map(Decider::Autoscaler);
    of_deployment.or_else(|| of(KIND).map(Decider::OfService))
}

/// What our field manager says of `replicas`. Nothing, where somebody else decides and has taken the field: to say what was seen would
/// put back what they have changed since. Until they have, what is there is said again, as a field that nobody owns falls back to 1.
pub(crate) fn desired(service: &WasmService, observed: &Observed) -> Option<i32> {
    let least = replicas(&service.spec.scaling);
    let decider = decider(service, observed);
    let deployment = observed.workload.deployment.as_ref();
    let Some(deployment) = deployment else {
        return Some(if matches!(decider, Decider::Off(_)) {
            0
        } else {
            least
        });
    };
    let now = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.replicas)
        .unwrap_or(1);
    let theirs = |now: i32| match now {
        // Whatever others say: two pods would write to one file.
        2.. if has_file(service) => Some(1),
        now => owner(&deployment.metadata).is_none().then_some(now),
    };
    match decider {
        Decider::Manifest | Decider::OfService(_) => Some(least),
        Decider::Off(_) => Some(0),
        Decider::Own(_) => {
            let most = most(&service.spec.scaling).unwrap_or(least);
            theirs(now.clamp(least, most))
        }
        Decider::Autoscaler(_) | Decider::Manager(_) => theirs(now),
    }
}

/// Who has scaled the Deployment to 0.
pub(crate) fn off(service: &WasmService, observed: &Observed) -> Option<Decider> {
    let deployment: &Deployment = observed.workload.deployment.as_ref()?;
    let replicas = deployment.spec.as_ref()?.replicas;
    (replicas == Some(0)).then(|| decider(service, observed))
}

fn has_file(service: &WasmService) -> bool {
    let stores = parts::deployed(service).spec.stores;
    stores.iter().any(|it| it.persistent.is_some())
}

/// Whose `spec.replicas` is, if it is not ours.
fn owner(deployment: &ObjectMeta) -> Option<&ManagedFieldsEntry> {
    let mut entries = deployment.managed_fields.iter().flatten();
    entries.find(|it| it.manager.as_deref() != Some(labels::OPERATOR) && owns(it, &["f:spec", "f:replicas"]))
}

/// Who wrote `spec.scaling.minReplicas` by the service's `/scale`.
fn of_scale(service: &ObjectMeta) -> Option<&ManagedFieldsEntry> {
    let mut entries = service.managed_fields.iter().flatten();
    entries.find(|it| {
        it.subresource.as_deref() == Some("scale") && owns(it, &["f:spec", "f:scaling", "f:minReplicas"])
    })
}

fn owns(entry: &ManagedFieldsEntry, path: &[&str]) -> bool {
    let fields = entry.fields_v1.as_ref().map(|it| &it.0);
    fields.is_some_and(|fields| !path.iter().fold(fields, |at, name| &at[*name]).eq(&Value::Null))
}

fn manager(entry: &ManagedFieldsEntry) -> String {
    entry.manager.clone().unwrap_or_default()
}

#[cfg(test)]
mod tests;
