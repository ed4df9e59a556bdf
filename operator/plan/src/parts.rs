//! Which part of a service runs where: what requests and messages call in its Deployment, what a point in time calls in a CronJob. A
//! part is a service with fewer components and triggers, so that whatever makes pods need not know of parts.

use std::collections::BTreeSet;

use shoal_api::{Component, Store, Trigger, WasmService};

/// Whether anything calls the service at any time, so that its pods have to be there.
pub(crate) fn deploys(service: &WasmService) -> bool {
    service.spec.triggers.iter().any(waits)
}

/// Whether a trigger calls anything over HTTP.
pub(crate) fn serves(service: &WasmService) -> bool {
    service.spec.triggers.iter().any(|trigger| trigger.http.is_some())
}

/// The triggers that are points in time.
pub(crate) fn schedules(service: &WasmService) -> impl Iterator<Item = &Trigger> {
    let triggers = service.spec.triggers.iter();
    triggers.filter(|trigger| trigger.schedule.is_some())
}

/// What runs in the Deployment: all but the components that schedules alone call.
pub(crate) fn deployed(service: &WasmService) -> WasmService {
    let spec = &service.spec;
    let called = |by: fn(&Trigger) -> bool| {
        let triggers = spec.triggers.iter().filter(move |trigger| by(trigger));
        triggers
            .map(|trigger| trigger.component.as_str())
            .collect::<BTreeSet<_>>()
    };
    let timed = called(|trigger| !waits(trigger));
    let mut there = called(waits);
    let components = spec.components.iter().map(|it| it.name.as_str());
    there.extend(components.filter(|name| !timed.contains(name)));
    // What they call over a link, and what that calls.
    loop {
        let linked = spec
            .components
            .iter()
            .filter(|it| there.contains(it.name.as_str()));
        let linked = linked.flat_map(|it| &it.links);
        let linked: BTreeSet<_> = linked.filter_map(|link| link.component.as_deref()).collect();
        if linked.is_subset(&there) {
            break;
        }
        there.extend(linked);
    }
    narrowed(service, |it| there.contains(it.name.as_str()), waits)
}

/// What runs when a trigger's time has come: the component that it calls.
pub(crate) fn run(service: &WasmService, trigger: &Trigger) -> WasmService {
    narrowed(
        service,
        |component| component.name == trigger.component,
        |it| it.name == trigger.name,
    )
}

/// Whether a trigger waits for what may come at any time.
fn waits(trigger: &Trigger) -> bool {
    trigger.http.is_some() || trigger.redis.is_some()
}

fn narrowed(
    service: &WasmService,
    component: impl Fn(&Component) -> bool,
    trigger: impl Fn(&Trigger) -> bool,
) -> WasmService {
    let mut part = service.clone();
    part.spec.components.retain(component);
    part.spec.triggers.retain(trigger);
    // A volume that is another part's may be bound to its node, so this one has to do without.
    let (here, all) = (&part.spec.components, &service.spec.components);
    part.spec
        .stores
        .retain(|it| is_granted(here, it) || !is_granted(all, it));
    let (here, all) = (&part.spec.stores, &service.spec.stores);
    part.spec
        .volumes
        .retain(|it| holds(&it.name, here) || !holds(&it.name, all));
    part
}

fn is_granted(components: &[Component], store: &Store) -> bool {
    let mut grants = components.iter().flat_map(|it| &it.capabilities.key_value);
    grants.any(|it| it.store == store.name)
}

fn holds(volume: &str, stores: &[Store]) -> bool {
    let mut files = stores.iter().filter_map(|it| it.persistent.as_ref());
    files.any(|it| it.volume == volume)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::service;

    #[test]
    fn what_schedules_alone_call_is_not_deployed() {
        let service = service(
            "
components:
- {name: web, image: r.example/web:1, links: [{import: 'a:b/c', component: helper}]}
- {name: helper, image: r.example/helper:1, links: [{import: 'a:b/d', component: deep}]}
- {name: deep, image: r.example/deep:1}
- {name: report, image: r.example/report:1}
- {name: both, image: r.example/both:1}
- {name: worker, image: r.example/worker:1}
triggers:
- {name: web, component: web, http: {}}
- {name: both, component: both, http: {path: /both}}
- {name: jobs, component: worker, redis: {url: 'redis://cache', channels: [a]}}
- {name: deep, component: deep, schedule: {cron: '@daily'}}
- {name: nightly, component: report, schedule: {cron: '@daily'}}
- {name: hourly, component: both, schedule: {cron: '@hourly'}}
",
        );
        let names = |part: WasmService| -> (Vec<_>, Vec<_>) {
            let spec = part.spec;
            (
                spec.components.into_iter().map(|it| it.name).collect(),
                spec.triggers.into_iter().map(|it| it.name).collect(),
            )
        };
        let (components, triggers) = names(deployed(&service));
        assert_eq!(components, ["web", "helper", "deep", "both", "worker"]);
        assert_eq!(triggers, ["web", "both", "jobs"]);
        let runs: Vec<_> = schedules(&service)
            .map(|trigger| names(run(&service, trigger)))
            .collect();
        let one = |component: &str, trigger: &str| (vec![component.to_owned()], vec![trigger.to_owned()]);
        assert_eq!(
            runs,
            [
                one("deep", "deep"),
                one("report", "nightly"),
                one("both", "hourly")
            ]
        );
    }

    #[test]
    fn a_part_has_its_own_volumes() {
        let service = service(
            "
components:
- {name: web, image: r.example/web:1, capabilities: {keyValue: [{name: default, store: visits}]}}
- {name: report, image: r.example/report:1, capabilities: {keyValue: [{name: default, store: sums}]}}
triggers:
- {name: web, component: web, http: {}}
- {name: nightly, component: report, schedule: {cron: '@daily', concurrencyPolicy: Forbid}}
stores: [{name: visits, memory: {}}, {name: sums, persistent: {volume: data}}]
volumes: [{name: data, emptyDir: {}}]
",
        );
        let counts = |part: WasmService| (part.spec.stores[0].name.clone(), part.spec.volumes.len());
        assert_eq!(counts(deployed(&service)), ("visits".to_owned(), 0));
        let nightly = &service.spec.triggers[1];
        assert_eq!(counts(run(&service, nightly)), ("sums".to_owned(), 1));
    }

    #[test]
    fn messages_need_pods_and_points_in_time_do_not() {
        let trigger = |what: &str| {
            service(&format!(
                "components: [{{name: a, image: r.example/a:1}}]\ntriggers: [{{name: t, component: a, {what}}}]"
            ))
        };
        let redis = trigger("redis: {url: 'redis://cache', channels: [a]}");
        assert!(deploys(&redis) && !serves(&redis));
        let http = trigger("http: {}");
        assert!(deploys(&http) && serves(&http));
        assert!(!deploys(&trigger("schedule: {cron: '@daily'}")));
    }
}
