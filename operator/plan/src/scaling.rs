//! Who decides how many replicas a service has. The manifest does, unless somebody else has taken it on: an autoscaler of theirs, or who
//! wrote `spec.replicas` of the Deployment.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use serde_json::Value;
use shoal_api::{KIND, WasmService, labels};

use crate::autoscale::{most, replicas};
use crate::{Observed, meta, parts};

/// The field manager of all HorizontalPodAutoscalers.
const AUTOSCALERS: &str = "kube-controller-manager";

/// The manifest's number when a Deployment was written last.
const MIN_REPLICAS: &str = "shoal.dev/min-replicas";
/// The field of a Deployment, as managed fields have it.
const REPLICAS: [&str; 2] = ["f:spec", "f:replicas"];

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
    /// Who wrote the Deployment's `/scale`. The API server does not always keep who it was: once it was 0, the field is nobody's.
    Scale,
}

impl Decider {
    /// For `status.scaledBy`.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Manifest => "spec.scaling".to_owned(),
            Self::Own(name) | Self::Autoscaler(name) => format!("HorizontalPodAutoscaler {name}"),
            Self::OfService(name) => format!("HorizontalPodAutoscaler {name}, by spec.scaling.minReplicas"),
            Self::Manager(manager) => format!("{manager}, by the Deployment's spec.replicas"),
            Self::Scale => "the Deployment's /scale".to_owned(),
        }
    }
}

/// Who decides now.
pub(crate) fn decider(service: &WasmService, observed: &Observed) -> Decider {
    if let Some(foreign) = foreign(service, observed) {
        return foreign;
    }
    let deployment = observed.workload.deployment.as_ref();
    let other = deployment
        .filter(|it| !was_taken_back(service, it))
        .and_then(other);
    // An autoscaler leaves alone what is scaled to 0, and nothing else.
    let autoscaled = most(&service.spec.scaling).is_some() && !deployment.is_some_and(is_zero);
    match other {
        Some(other) if !autoscaled => other,
        _ if most(&service.spec.scaling).is_some() => Decider::Own(meta::name(service)),
        _ => Decider::Manifest,
    }
}

/// Who wrote the Deployment's `spec.replicas`, if it was not us.
fn other(deployment: &Deployment) -> Option<Decider> {
    match owner(&deployment.metadata) {
        // Of an autoscaler that is gone nothing is left to decide.
        Some(entry) if entry.manager.as_deref() == Some(AUTOSCALERS) => None,
        Some(entry) => Some(Decider::Manager(entry.manager.clone().unwrap_or_default())),
        None => (!is_ours(deployment)).then_some(Decider::Scale),
    }
}

/// Whether the manifest says another number than when the Deployment was written last.
fn was_taken_back(service: &WasmService, deployment: &Deployment) -> bool {
    let annotations = deployment.metadata.annotations.as_ref();
    let before = annotations.and_then(|it| it.get(MIN_REPLICAS));
    before.is_some_and(|it| *it != service.spec.scaling.min_replicas.to_string())
}

/// What the Deployment says so that a later look can tell whether the manifest's number has changed.
pub(crate) fn annotations(service: &WasmService) -> BTreeMap<String, String> {
    let number = service.spec.scaling.min_replicas.to_string();
    [(MIN_REPLICAS.to_owned(), number)].into()
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
        return Some(least);
    };
    let now = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.replicas)
        .unwrap_or(1);
    let theirs = |now: i32| match now {
        // Whatever others say: two pods would write to one file.
        2.. if has_file(service) => Some(1),
        now => (is_ours(deployment) && owner(&deployment.metadata).is_none()).then_some(now),
    };
    match decider {
        Decider::Manifest | Decider::OfService(_) => Some(least),
        Decider::Own(_) => {
            let most = most(&service.spec.scaling).unwrap_or(least);
            theirs(now.clamp(least, most))
        }
        Decider::Autoscaler(_) | Decider::Manager(_) | Decider::Scale => theirs(now),
    }
}

/// Who has scaled the Deployment to 0.
pub(crate) fn off(service: &WasmService, observed: &Observed) -> Option<Decider> {
    let deployment = observed.workload.deployment.as_ref()?;
    is_zero(deployment).then(|| decider(service, observed))
}

fn is_zero(deployment: &Deployment) -> bool {
    deployment.spec.as_ref().and_then(|it| it.replicas) == Some(0)
}

fn has_file(service: &WasmService) -> bool {
    let stores = parts::deployed(service).spec.stores;
    stores.iter().any(|it| it.persistent.is_some())
}

/// Whose `spec.replicas` is, if it is not ours.
fn owner(deployment: &ObjectMeta) -> Option<&ManagedFieldsEntry> {
    let mut entries = deployment.managed_fields.iter().flatten();
    entries.find(|it| it.manager.as_deref() != Some(labels::OPERATOR) && owns(it, &REPLICAS))
}

/// Whether `spec.replicas` is ours, alone or with others.
fn is_ours(deployment: &Deployment) -> bool {
    let entries = deployment.metadata.managed_fields.as_deref().unwrap_or_default();
    let ours =
        |it: &ManagedFieldsEntry| it.manager.as_deref() == Some(labels::OPERATOR) && owns(it, &REPLICAS);
    entries.is_empty() || entries.iter().any(ours)
}

fn owns(entry: &ManagedFieldsEntry, path: &[&str]) -> bool {
    let fields = entry.fields_v1.as_ref().map(|it| &it.0);
    fields.is_some_and(|fields| !path.iter().fold(fields, |at, name| &at[*name]).eq(&Value::Null))
}

#[cfg(test)]
mod tests;
