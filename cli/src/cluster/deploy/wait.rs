//! Waits for a service on the cluster, after kstatus' rules: what the status says counts once it speaks of what was applied.

use super::Placed;
use crate::cluster::trouble::{self, EventReport, PodReport};
use crate::cluster::{Cluster, Deployed, fatal};
use crate::console::Console;
use crate::failure::Failure;
use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::watch_object;
use serde::Serialize;
use shoal_api::Duration;
use std::pin::pin;
use tokio::time::{Instant, sleep_until};

/// Conditions that only a change of the manifest can mend.
const FINAL: [&str; 2] = ["Accepted", "CapabilitiesGranted"];

/// Where a service stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Ready,
    /// Not yet, with what it waits for.
    Waiting(String),
    /// It never will be, with why.
    Refused(String),
}

/// A service that is not ready, and all that the cluster knows of why.
#[derive(Debug, Serialize)]
pub(super) struct NotReady {
    name: String,
    namespace: String,
    reason: String,
    conditions: Vec<Condition>,
    pods: Vec<PodReport>,
    events: Vec<EventReport>,
}

fn judge(service: &Deployed, generation: i64) -> State {
    let status = service.status.clone().unwrap_or_default();
    let observed = status.observed_generation.unwrap_or_default();
    if observed < generation {
        return State::Waiting(match status.observed_generation {
            None => "no operator has looked at it yet: is Shoal's operator running?".to_owned(),
            Some(_) => "the operator has not looked at this change yet".to_owned(),
        });
    }
    let told = |it: &Condition| format!("{}: {}: {}", it.type_, it.reason, it.message);
    let current = |it: &&Condition| it.observed_generation.is_none_or(|of| of >= generation);
    let conditions = || status.conditions.iter().filter(current);
    let stalled = conditions().find(|it| it.type_ == "Stalled" && it.status == "True");
    let refused = conditions().find(|it| it.status == "False" && FINAL.contains(&it.type_.as_str()));
    if let Some(condition) = stalled.or(refused) {
        return State::Refused(told(condition));
    }
    match conditions().find(|it| it.type_ == "Ready") {
        Some(ready) if ready.status == "True" => State::Ready,
        ready => {
            let unmet = conditions().find(|it| it.status != "True" && it.type_ != "Ready");
            State::Waiting(unmet.or(ready).map_or_else(|| "not ready yet".to_owned(), told))
        }
    }
}

/// Waits, and notes what is known in the end.
pub(super) async fn ready(
    cluster: &Cluster,
    placed: &mut Placed,
    timeout: Duration,
    console: &Console,
) -> Result<(), NotReady> {
    let spinner = console.bars.spinner(&placed.name);
    let mut watch = pin!(watch_object(cluster.services(&placed.namespace), &placed.name).default_backoff());
    let end = Instant::now() + timeout.as_std();
    let mut last: Option<Deployed> = None;
    let mut waiting = "nothing was heard of it".to_owned();
    let reason = loop {
        let event = tokio::select! {
            event = watch.next() => event,
            () = sleep_until(end) => break format!("not ready within {timeout}: {waiting}"),
        };
        match event {
            Some(Ok(Some(service))) => {
                let state = judge(&service, placed.generation);
                let status = service.status.clone().unwrap_or_default();
                last = Some(service);
                match state {
                    State::Ready => {
                        (placed.ready, placed.url, placed.revision) = (true, status.url, status.revision);
                        return Ok(());
                    }
                    State::Refused(why) => break format!("refused: {why}"),
                    State::Waiting(what) => {
                        spinner.say(&what);
                        waiting = what;
                    }
                }
            }
            // Before it was ever seen, that is an answer from before it was applied.
            Some(Ok(None)) if last.is_some() => break "it was deleted meanwhile".to_owned(),
            Some(Ok(None)) => {}
            Some(Err(error)) => match fatal(&error) {
                Some(why) => break why,
                None => waiting = error.to_string(),
            },
            None => break waiting,
        }
    };
    drop(spinner);
    Err(NotReady::of(cluster, placed, reason, last).await)
}

impl NotReady {
    async fn of(cluster: &Cluster, placed: &Placed, reason: String, last: Option<Deployed>) -> Self {
        let (namespace, name) = (&placed.namespace, &placed.name);
        // Whoever may not read pods or events still learns of the conditions.
        let pods = cluster.pods(namespace, name).await.unwrap_or_default();
        let pods: Vec<_> = pods.iter().map(trouble::pod).collect();
        let events = cluster.events(namespace, name, &pods).await.unwrap_or_default();
        Self {
            name: name.clone(),
            namespace: namespace.clone(),
            reason,
            conditions: last.as_ref().map(trouble::unmet).unwrap_or_default(),
            pods,
            events,
        }
    }
}

/// All of them as the failure of the command.
pub(super) fn failure(failed: &[NotReady]) -> Failure {
    let now = Timestamp::now();
    let text = |it: &NotReady| {
        let details = trouble::text(&it.conditions, &it.pods, &it.events, now);
        format!("{}: {}\n{details}", it.name, it.reason)
            .trim_end()
            .to_owned()
    };
    Failure::NotReady {
        message: failed.iter().map(text).collect::<Vec<_>>().join("\n"),
        services: serde_json::to_value(failed).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
