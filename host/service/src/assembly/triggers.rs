//! A service's triggers beside HTTP: made ready with the service, started and stopped by whoever runs it.

use crate::assembly::redis::Servers;
use crate::call::events::EventComponent;
use shoal_api::{Component, ConcurrencyPolicy, Problem, RedisTrigger, ScheduleTrigger, Trigger, WasmService};
use shoal_redis::Client;
use shoal_trigger::event::{Handler, Tally};
use shoal_trigger::schedule::{Schedule, ScheduleError};
use shoal_trigger::{redis, schedule};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A trigger that is ready to be started.
pub(crate) struct Planned {
    trigger: Trigger,
    kind: Kind,
}

enum Kind {
    Redis(Arc<Client>),
    Schedule(Box<Schedule>),
}

impl Planned {
    /// Whether it calls the component of this name.
    pub(crate) fn calls(&self, component: &str) -> bool {
        self.trigger.component == component
    }
}

/// A component that triggers may call.
pub(crate) struct Called<'a> {
    pub(crate) component: &'a Component,
    pub(crate) servers: Servers<'a>,
}

/// These triggers of components, but for HTTP. `at` names the list that they are in.
pub(crate) fn plan(
    (triggers, at): (&[Trigger], &str),
    components: &[Called<'_>],
    problems: &mut Vec<Problem>,
) -> Vec<Planned> {
    let mut planned = Vec::new();
    for (index, trigger) in triggers.iter().enumerate() {
        let at = format!("{at}[{index}]");
        let kind = if let Some(redis) = &trigger.redis {
            let mut named = components.iter();
            let named = named.find(|it| it.component.name == trigger.component);
            // A trigger of a component that is not there is refused later.
            let Some(Called { component, servers }) = named.or(components.first()) else {
                continue;
            };
            let limit = component.limits.request_body.bytes();
            let at = format!("{at}.redis");
            problems.extend(unmatched(redis, &at));
            // Names of commands and channels have to pass too.
            let client = servers.client(redis.into(), limit.max(1 << 10), &at);
            client.map(Kind::Redis)
        } else if let Some(it) = &trigger.schedule {
            parsed(it, &format!("{at}.schedule")).map(|it| Kind::Schedule(Box::new(it)))
        } else {
            continue;
        };
        match kind {
            Ok(kind) => planned.push(Planned {
                trigger: trigger.clone(),
                kind,
            }),
            Err(problem) => problems.push(problem),
        }
    }
    planned
}

/// What the schema lets pass in a manifest's triggers and can't be: routes that are the same, schedules that are none, zones that are
/// nowhere, patterns that match nothing. [`Host::prepare`](crate::Host::prepare) finds it too; this needs no host.
pub fn mistakes(manifest: &WasmService) -> Vec<Problem> {
    let mut problems = shoal_api::route::conflicts(&manifest.spec.triggers);
    for (index, trigger) in manifest.spec.triggers.iter().enumerate() {
        let at = format!("spec.triggers[{index}]");
        if let Some(redis) = &trigger.redis {
            problems.extend(unmatched(redis, &format!("{at}.redis")));
        }
        if let Some(schedule) = &trigger.schedule {
            problems.extend(parsed(schedule, &format!("{at}.schedule")).err());
        }
    }
    problems
}

fn parsed(trigger: &ScheduleTrigger, at: &str) -> Result<Schedule, Problem> {
    Schedule::parse(&trigger.cron, trigger.time_zone.as_deref()).map_err(|error| {
        let field = match error {
            ScheduleError::Zone { .. } => "timeZone",
            ScheduleError::Cron { .. } | ScheduleError::Never { .. } => "cron",
        };
        problem(format!("{at}.{field}"), error.to_string())
    })
}

/// Patterns that Redis takes, and that match nothing or not what was meant.
fn unmatched(trigger: &RedisTrigger, at: &str) -> Vec<Problem> {
    let patterns = trigger.patterns.iter().enumerate();
    let problems = patterns.filter_map(|(index, pattern)| {
        let error = redis::check(pattern).err()?;
        Some(problem(
            format!("{at}.patterns[{index}]"),
            format!("{pattern:?} {error}"),
        ))
    });
    problems.collect()
}

fn problem(field: String, message: String) -> Problem {
    Problem {
        source: None,
        field,
        message,
        hint: None,
    }
}

/// Triggers that run, until they are shut down or dropped.
#[derive(Default)]
pub struct Triggers {
    redis: Vec<redis::Running>,
    schedules: Vec<schedule::Running>,
}

impl Triggers {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.redis.is_empty() && self.schedules.is_empty()
    }

    /// What each counts.
    pub fn tallies(&self) -> Vec<Tally> {
        let redis = self.redis.iter().map(|it| it.tally().clone());
        redis
            .chain(self.schedules.iter().map(|it| it.tally().clone()))
            .collect()
    }

    /// Takes nothing new from now on.
    pub fn stop(&self) {
        self.redis.iter().for_each(redis::Running::stop);
        self.schedules.iter().for_each(schedule::Running::stop);
    }

    /// Takes nothing new, and lets calls finish for as long as `grace`. Returns whether all of them did.
    pub async fn shutdown(self, grace: Duration) -> bool {
        let redis = self.redis.into_iter().map(|it| it.shutdown(grace));
        let schedules = self.schedules.into_iter().map(|it| it.shutdown(grace));
        let (redis, schedules) = tokio::join!(
            futures::future::join_all(redis),
            futures::future::join_all(schedules)
        );
        redis.into_iter().chain(schedules).all(|done| done)
    }
}

/// Starts what was planned.
pub(crate) fn start(
    (namespace, service): (&str, &str),
    planned: &[Planned],
    components: &BTreeMap<String, Arc<EventComponent>>,
) -> Triggers {
    let mut triggers = Triggers::default();
    for Planned { trigger, kind } in planned {
        let Some(component) = components.get(&trigger.component) else {
            continue;
        };
        let handler = Arc::clone(component) as Arc<dyn Handler>;
        match (kind, &trigger.redis, &trigger.schedule) {
            (Kind::Redis(client), Some(redis), _) => {
                let options = redis::Options {
                    client: Arc::clone(client),
                    service: service.to_owned(),
                    name: trigger.name.clone(),
                    channels: redis.channels.clone(),
                    patterns: redis.patterns.clone(),
                    streams: streams(redis, &format!("{namespace}/{service}"), component),
                    queue: component.unit.admission.queue() as usize,
                };
                triggers.redis.push(redis::start(options, handler));
            }
            (Kind::Schedule(parsed), _, Some(schedule)) => {
                let options = scheduled(service, &trigger.name, parsed, schedule);
                triggers.schedules.push(schedule::start(options, handler));
            }
            _ => {}
        }
    }
    triggers
}

fn streams(trigger: &RedisTrigger, group: &str, component: &EventComponent) -> Vec<redis::Stream> {
    let timeout = component.unit.limits.request_timeout;
    let stream = |it: &shoal_api::RedisStream| redis::Stream {
        key: it.stream.clone(),
        group: it.group.clone().unwrap_or_else(|| group.to_owned()),
        max_attempts: it.max_attempts,
        retry_after: it.retry_after.as_std(),
        // Another consumer may wait for a place, then call, then for its server.
        abandoned_after: it.retry_after.as_std() + timeout.saturating_mul(2) + Duration::from_secs(10),
        dead_letter: it
            .dead_letter
            .clone()
            .unwrap_or_else(|| format!("{}.dead", it.stream)),
    };
    trigger.streams.iter().map(stream).collect()
}

fn scheduled(service: &str, name: &str, parsed: &Schedule, trigger: &ScheduleTrigger) -> schedule::Options {
    schedule::Options {
        service: service.to_owned(),
        name: name.to_owned(),
        schedule: parsed.clone(),
        overlap: match trigger.concurrency_policy {
            ConcurrencyPolicy::Allow => schedule::Overlap::Allow,
            ConcurrencyPolicy::Forbid => schedule::Overlap::Forbid,
            ConcurrencyPolicy::Replace => schedule::Overlap::Replace,
        },
        deadline: trigger
            .starting_deadline_seconds
            .map(|it| Duration::from_secs(it.into())),
    }
}
