//! Events of a service: one for each decision that its owner would ask about. They are made of what changed in its conditions and of
//! what was written.

use crate::apply::Written;
use crate::error::Error;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource};
use shoal_api::{WasmService, WasmServiceStatus, labels};
use shoal_plan::Type;

/// What events.k8s.io takes at most.
const LONGEST: usize = 1024;

pub(crate) struct Events(Recorder);

impl Events {
    pub(crate) fn new(client: Client, me: &str) -> Self {
        let reporter = Reporter {
            controller: labels::OPERATOR.to_owned(),
            instance: Some(me.to_owned()),
        };
        Self(Recorder::new(client, reporter))
    }

    /// What was done, and what came of it.
    pub(crate) async fn tell(&self, service: &WasmService, written: &Written, now: &WasmServiceStatus) {
        for (action, objects) in [
            ("Created", &written.created),
            ("Updated", &written.changed),
            ("Deleted", &written.deleted),
        ] {
            if !objects.is_empty() {
                let objects: Vec<_> = objects
                    .iter()
                    .map(|(kind, name)| format!("{kind:?} {name}"))
                    .collect();
                self.publish(service, EventType::Normal, action, &objects.join(", "))
                    .await;
            }
        }
        let before = service.status.as_ref().map_or(&[][..], |it| &it.conditions);
        for condition in news(before, &now.conditions) {
            let kind = match condition.status.as_str() {
                "False" => EventType::Warning,
                _ => EventType::Normal,
            };
            let note = match condition.message.as_str() {
                "" => format!("{} is {}", condition.type_, condition.status),
                message => message.to_owned(),
            };
            self.publish(service, kind, &condition.reason, &note).await;
        }
    }

    /// Something stands in the way.
    pub(crate) async fn failed(&self, service: &WasmService, error: &Error) {
        self.publish(service, EventType::Warning, "ReconcileFailed", &error.to_string())
            .await;
    }

    async fn publish(&self, service: &WasmService, type_: EventType, reason: &str, note: &str) {
        let end = note.floor_char_boundary(LONGEST - 1);
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(note.get(..end).unwrap_or_default().to_owned()),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        // An event that is lost is no reason to do the work again.
        if let Err(error) = self.0.publish(&event, &service.object_ref(&())).await {
            tracing::warn!("cannot publish an event: {error}");
        }
    }
}

/// Conditions that say something else now. Those that only wait for others are no news, nor is what Ready repeats.
fn news<'a>(before: &[Condition], now: &'a [Condition]) -> Vec<&'a Condition> {
    let changed = |it: &&Condition| {
        let last = before.iter().find(|last| last.type_ == it.type_);
        last.is_none_or(|last| (&last.status, &last.reason) != (&it.status, &it.reason))
    };
    let quiet = |it: &Condition| {
        matches!(
            it.reason.as_str(),
            "Pending" | "Progressing" | "NoLinks" | "Valid" | "NoPodReady"
        )
    };
    let changed: Vec<_> = now.iter().filter(changed).filter(|it| !quiet(it)).collect();
    let said = |reason: &str| {
        changed
            .iter()
            .any(|it| it.reason == reason && it.type_ != Type::Ready.name())
    };
    let first_said = |it: &&&Condition| it.type_ != Type::Ready.name() || !said(&it.reason);
    changed.iter().filter(first_said).copied().collect()
}
