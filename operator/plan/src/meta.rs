//! Names, labels and owners of what belongs to a service.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use shoal_api::{API_VERSION, KIND, Trigger, WasmService, labels};

/// The service's name.
pub(crate) fn name(service: &WasmService) -> String {
    service.metadata.name.clone().unwrap_or_default()
}

/// The metadata of an object of that name.
pub(crate) fn of(service: &WasmService, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: service.metadata.namespace.clone(),
        labels: Some(labels(service)),
        owner_references: Some(vec![owner(service)]),
        ..ObjectMeta::default()
    }
}

/// What marks an object as the service's.
pub(crate) fn labels(service: &WasmService) -> BTreeMap<String, String> {
    let name = name(service);
    [
        (labels::SERVICE, name.as_str()),
        (labels::APP_NAME, name.as_str()),
        (labels::MANAGED_BY, labels::OPERATOR),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

/// What says which of the service's triggers an object belongs to.
pub(crate) fn trigger(trigger: &Trigger) -> BTreeMap<String, String> {
    [
        (labels::TRIGGER, trigger.name.as_str()),
        (labels::COMPONENT, trigger.component.as_str()),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

/// What marks the Jobs of a schedule and, with [`labels::MANAGED_BY`], their pods. The label that the Service selects by is not among
/// it: requests do not go to them.
pub(crate) fn run_labels(service: &WasmService, of: &Trigger) -> BTreeMap<String, String> {
    let mut labels = trigger(of);
    labels.insert(labels::APP_NAME.to_owned(), name(service));
    labels
}

/// What marks the pods of a schedule.
pub(crate) fn run_pod_labels(service: &WasmService, of: &Trigger) -> BTreeMap<String, String> {
    let mut labels = run_labels(service, of);
    labels.insert(labels::MANAGED_BY.to_owned(), labels::OPERATOR.to_owned());
    labels
}

/// Selects all of the service's pods, those of its schedules too.
pub(crate) fn all_pods(service: &WasmService) -> LabelSelector {
    let labels = [
        (labels::APP_NAME.to_owned(), name(service)),
        (labels::MANAGED_BY.to_owned(), labels::OPERATOR.to_owned()),
    ];
    LabelSelector {
        match_labels: Some(labels.into()),
        ..LabelSelector::default()
    }
}

/// Selects the service's pods of all revisions, but for those of its schedules.
pub(crate) fn selector(service: &WasmService) -> LabelSelector {
    LabelSelector {
        match_labels: Some([(labels::SERVICE.to_owned(), name(service))].into()),
        ..LabelSelector::default()
    }
}

/// The garbage collector removes what belongs to a service that is gone.
fn owner(service: &WasmService) -> OwnerReference {
    OwnerReference {
        api_version: API_VERSION.to_owned(),
        kind: KIND.to_owned(),
        name: name(service),
        uid: service.metadata.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}
