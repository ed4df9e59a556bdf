//! Why a service is not ready, as far as the cluster knows: the conditions that don't hold, its pods, and their last events.

use super::{Cluster, Deployed, table};
use k8s_openapi::api::core::v1::{ContainerStatus, Event, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde::Serialize;
use shoal_api::{KIND, labels};

/// Pods whose events are asked for.
const MOST_PODS: usize = 5;
/// Events that are shown of one object.
const MOST_EVENTS: usize = 5;

/// A pod of a service, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PodReport {
    pub(crate) name: String,
    pub(crate) ready: bool,
    /// What `kubectl get pods` says of it.
    pub(crate) state: String,
    pub(crate) restarts: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) revision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) node: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    pub(crate) created: Option<Timestamp>,
}

/// An event, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct EventReport {
    pub(crate) object: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) last: Option<Timestamp>,
}

impl Cluster {
    /// The pods of a service, by name.
    pub(crate) async fn pods(&self, namespace: &str, service: &str) -> kube::Result<Vec<Pod>> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let mut found = pods
            .list(&ListParams::default().labels(&labels::selector(service)))
            .await?
            .items;
        found.sort_by_key(ResourceExt::name_any);
        Ok(found)
    }

    /// The last events of a service, and of those of its pods that are not ready; the oldest first.
    pub(crate) async fn events(
        &self,
        namespace: &str,
        service: &str,
        pods: &[PodReport],
    ) -> kube::Result<Vec<EventReport>> {
        let mut all = self.events_of(namespace, KIND, service).await?;
        for pod in pods.iter().filter(|it| !it.ready).take(MOST_PODS) {
            all.append(&mut self.events_of(namespace, "Pod", &pod.name).await?);
        }
        all.sort_by_key(|it| it.last);
        Ok(all)
    }

    async fn events_of(&self, namespace: &str, kind: &str, name: &str) -> kube::Result<Vec<EventReport>> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let selector = format!("involvedObject.kind={kind},involvedObject.name={name}");
        let found = events.list(&ListParams::default().fields(&selector)).await?;
        let mut found: Vec<_> = found.items.into_iter().map(event).collect();
        found.sort_by_key(|it| it.last);
        Ok(found.split_off(found.len().saturating_sub(MOST_EVENTS)))
    }
}

fn event(event: Event) -> EventReport {
    let last = event.series.and_then(|it| it.last_observed_time).map(|it| it.0);
    let last = last
        .or(event.last_timestamp.map(|it| it.0))
        .or(event.event_time.map(|it| it.0))
        .or(event.metadata.creation_timestamp.map(|it| it.0));
    let (kind, name) = (event.involved_object.kind, event.involved_object.name);
    EventReport {
        object: format!(
            "{}/{}",
            kind.unwrap_or_default().to_lowercase(),
            name.unwrap_or_default()
        ),
        kind: event.type_.unwrap_or_default(),
        reason: event.reason.unwrap_or_default(),
        message: event.message.unwrap_or_default(),
        last,
    }
}

/// What matters of a pod.
pub(crate) fn pod(pod: &Pod) -> PodReport {
    let status = pod.status.clone().unwrap_or_default();
    let conditions = status.conditions.unwrap_or_default();
    let ready = conditions
        .iter()
        .any(|it| it.type_ == "Ready" && it.status == "True");
    let containers = status.container_statuses.unwrap_or_default();
    let ailing = containers.iter().find_map(ailment);
    let unscheduled = conditions
        .iter()
        .find(|it| it.type_ == "PodScheduled" && it.status == "False");
    let phase = status.phase.unwrap_or_default();
    let (state, message) = match (ailing, unscheduled) {
        _ if pod.metadata.deletion_timestamp.is_some() => ("Terminating".to_owned(), None),
        (Some(ailing), _) => ailing,
        (None, Some(condition)) => (
            condition.reason.clone().unwrap_or(phase),
            condition.message.clone(),
        ),
        (None, None) => (phase, status.message),
    };
    PodReport {
        name: pod.name_any(),
        ready,
        state,
        restarts: containers.iter().map(|it| it.restart_count).sum(),
        revision: pod.labels().get(labels::REVISION).cloned(),
        node: pod.spec.as_ref().and_then(|it| it.node_name.clone()),
        message: message.filter(|it| !it.is_empty()),
        created: pod.metadata.creation_timestamp.as_ref().map(|it| it.0),
    }
}

/// Why a container does not run, with what it said last.
fn ailment(container: &ContainerStatus) -> Option<(String, Option<String>)> {
    let state = container.state.clone().unwrap_or_default();
    if let Some(waiting) = state.waiting {
        let before = container.last_state.clone().and_then(|it| it.terminated);
        let message = before.and_then(|it| it.message).or(waiting.message);
        return Some((waiting.reason.unwrap_or_default(), message));
    }
    let ended = state.terminated.filter(|it| it.exit_code != 0)?;
    Some((ended.reason.unwrap_or_default(), ended.message))
}

/// The conditions that don't hold.
pub(crate) fn unmet(service: &Deployed) -> Vec<Condition> {
    let conditions = service.status.iter().flat_map(|it| &it.conditions);
    conditions.filter(|it| it.status != "True").cloned().collect()
}

/// The lines for people: conditions, pods that are not ready, events.
pub(crate) fn text(
    conditions: &[Condition],
    pods: &[PodReport],
    events: &[EventReport],
    now: Timestamp,
) -> String {
    let mut out = String::new();
    for condition in conditions {
        out.push_str(&format!(
            "{}={}: {}: {}\n",
            condition.type_, condition.status, condition.reason, condition.message
        ));
    }
    for pod in pods.iter().filter(|it| !it.ready).take(MOST_PODS) {
        let message = pod
            .message
            .as_ref()
            .map(|it| format!(": {it}"))
            .unwrap_or_default();
        out.push_str(&format!("pod {}: {}{message}\n", pod.name, pod.state));
    }
    for event in events {
        let age = table::age(event.last, now);
        out.push_str(&format!(
            "{} {} ({age} ago): {}\n",
            event.object, event.reason, event.message
        ));
    }
    out
}

#[cfg(test)]
mod tests;
