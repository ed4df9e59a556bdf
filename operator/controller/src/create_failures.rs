//! Events that say that a Job could make no pod, or a CronJob no Job. Nothing else of Kubernetes says it of these; a Deployment has a
//! condition for it.

use crate::cache::{Indexed, Names, Touched, bare, look, service_of};
use crate::scope::Scope;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use kube::{Client, Resource, ResourceExt};
use shoal_api::WasmService;
use shoal_plan::CreateFailure;
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

/// The reason that the controllers of both give.
const REASON: &str = "FailedCreate";

/// Those of a scope, by the Job or CronJob that they are about.
pub(crate) struct CreateFailures {
    of_jobs: Indexed<Event>,
    of_cron_jobs: Indexed<Event>,
}

/// Whose the Jobs and CronJobs are.
#[derive(Clone)]
struct Owners {
    jobs: Store<Job>,
    cron_jobs: Store<CronJob>,
}

impl CreateFailures {
    pub(crate) fn watch(
        client: &Client,
        scope: &Scope,
        streams: &mut Vec<Touched>,
        (jobs, cron_jobs): (&Indexed<Job>, &Indexed<CronJob>),
    ) -> Self {
        let owners = Owners {
            jobs: jobs.store.clone(),
            cron_jobs: cron_jobs.store.clone(),
        };
        Self {
            of_jobs: watch::<Job>(client, scope, streams, owners.clone()),
            of_cron_jobs: watch::<CronJob>(client, scope, streams, owners),
        }
    }

    pub(crate) async fn ready(&self) {
        // As for all watches: fails only where one was dropped.
        let _ = self.of_jobs.store.wait_until_ready().await;
        let _ = self.of_cron_jobs.store.wait_until_ready().await;
    }

    /// Those of a service's Jobs and CronJobs.
    pub(crate) fn of<'a>(
        &self,
        namespace: &str,
        owners: impl Iterator<Item = &'a str>,
    ) -> Vec<CreateFailure> {
        let mut found = Vec::new();
        for owner in owners {
            let events = [&self.of_jobs, &self.of_cron_jobs].map(|it| it.of(namespace, owner));
            found.extend(events.iter().flatten().map(|event| CreateFailure {
                owner: owner.to_owned(),
                message: event.message.clone().unwrap_or_default(),
                at: at(event),
            }));
        }
        found
    }
}

fn watch<K: Resource<DynamicType = ()>>(
    client: &Client,
    scope: &Scope,
    streams: &mut Vec<Touched>,
    owners: Owners,
) -> Indexed<Event> {
    let names = Names::default();
    let index = Arc::clone(&names);
    let fields = format!("reason={REASON},involvedObject.kind={}", K::kind(&()));
    let config = watcher::Config::default().fields(&fields);
    let (store, touched) = look(client, scope, config, bare, move |event| {
        add(event, &index);
        owners.service(event).into_iter().collect()
    });
    streams.push(touched);
    Indexed { store, names }
}

/// Remembers an event under the name of what it is about, and under that of the CronJob whose Job this may be.
fn add(event: &Event, index: &Names) {
    let namespace = event.namespace().unwrap_or_default();
    let about = event.involved_object.name.as_deref().unwrap_or_default();
    let mut index = index.lock().unwrap_or_else(PoisonError::into_inner);
    for owner in [about].into_iter().chain(cron_job(about)) {
        let known: &mut BTreeSet<_> = index.entry((namespace.clone(), owner.to_owned())).or_default();
        known.insert(event.name_any());
    }
}

/// The CronJob of a Job, by its name: that of the CronJob, and the minute that it is for.
fn cron_job(job: &str) -> Option<&str> {
    let (name, minute) = job.rsplit_once('-')?;
    let digits = !minute.is_empty() && minute.bytes().all(|it| it.is_ascii_digit());
    digits.then_some(name)
}

fn at(event: &Event) -> Option<Time> {
    let of_series = event.event_time.as_ref().map(|it| Time(it.0));
    let last = event.last_timestamp.clone().or(of_series);
    last.or_else(|| event.first_timestamp.clone())
}

impl Owners {
    fn service(&self, event: &Event) -> Option<ObjectRef<WasmService>> {
        let namespace = event.namespace()?;
        let about = event.involved_object.name.as_deref()?;
        let job = self.jobs.get(&ObjectRef::new(about).within(&namespace));
        let of_job = job.and_then(|it| service_of(&*it));
        of_job.or_else(|| {
            let mut names = [Some(about), cron_job(about)].into_iter().flatten();
            names.find_map(|name| {
                let found = self.cron_jobs.get(&ObjectRef::new(name).within(&namespace))?;
                service_of(&*found)
            })
        })
    }
}

#[cfg(test)]
impl CreateFailures {
    /// As watches would have told it of these events.
    pub(crate) fn of_events(objects: &[serde_json::Value]) -> Self {
        let names = Names::default();
        let store = crate::cache::filled(objects, |event| add(event, &names));
        let none = crate::cache::filled(&[], |_: &Event| {});
        Self {
            of_jobs: Indexed { store, names },
            of_cron_jobs: Indexed {
                store: none,
                names: Names::default(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_event_of_a_job_is_found_by_its_cron_job_too() {
        let event = |about: &str| {
            json!({
                "kind": "Event", "metadata": {"name": format!("{about}.1"), "namespace": "shop"},
                "involvedObject": {"kind": "Job", "name": about}, "reason": REASON, "message": format!("{about} is refused"),
                "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:05:00Z",
            })
        };
        let seen = CreateFailures::of_events(&[event("report-nightly-29000000"), event("report-5fae74e922")]);
        let found = |namespace: &str, owner: &'static str| {
            let found = seen.of(namespace, [owner].into_iter());
            found.into_iter().map(|it| it.message).collect::<Vec<_>>()
        };
        assert_eq!(
            found("shop", "report-nightly"),
            ["report-nightly-29000000 is refused"]
        );
        assert_eq!(
            found("shop", "report-5fae74e922"),
            ["report-5fae74e922 is refused"]
        );
        assert!(found("shop", "report").is_empty() && found("other", "report-nightly").is_empty());
        let at = seen.of("shop", ["report-nightly"].into_iter())[0].at.clone();
        assert_eq!(json!(at), "2026-01-01T00:05:00Z", "the last time counts");
    }
}
