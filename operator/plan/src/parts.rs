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
    let timed = with_linked(service, timed);
    let components = spec.components.iter().map(|it| it.name.as_str());
    there.extend(components.filter(|name| !timed.contains(name)));
    let there = with_linked(service, there);
    narrowed(service, |it| there.contains(it.name.as_str()), waits)
}

/// What runs when a trigger's time has come: the component that it calls.
pub(crate) fn run(service: &WasmService, trigger: &Trigger) -> WasmService {
    let there = with_linked(service, BTreeSet::from([trigger.component.as_str()]));
    narrowed(
        service,
        |it| there.contains(it.name.as_str()),
        |it| it.name == trigger.name,
    )
}

/// These components, with what they call over a link, and what that calls.
fn with_linked<'a>(service: &'a WasmService, mut there: BTreeSet<&'a str>) -> BTreeSet<&'a str> {
    loop {
        let components = service.spec.components.iter();
        let linked = components.filter(|it| there.contains(it.name.as_str()));
        let linked = linked.flat_map(|it| &it.links);
        let linked: BTreeSet<_> = linked.filter_map(|link| link.component.as_deref()).collect();
        if linked.is_subset(&there) {
            return there;
        }
        there.extend(linked);
    }
}

/// The components that others have in themselves and nothing else calls.
pub(crate) fn is_within(service: &WasmService, component: &Component) -> bool {
    let spec = &service.spec;
    let links = spec.components.iter().flat_map(|it| &it.links);
    let mut linked = links.filter_map(|link| link.component.as_deref());
    let called = spec.triggers.iter().any(|it| it.component == component.name);
    !called && linked.any(|name| name == component.name)
}

/// The components that something calls, those first that others are linked to: their containers start in this order. In a circle, which
/// the shim refuses, any.
pub(crate) fn in_order(service: &WasmService) -> Vec<&Component> {
    fn visit<'a>(
        component: &'a Component,
        all: &'a [Component],
        done: &mut Vec<&'a Component>,
        way: &mut Vec<&'a str>,
    ) {
        if way.contains(&component.name.as_str()) || done.iter().any(|it| it.name == component.name) {
            return;
        }
        way.push(&component.name);
        for link in component
            .links
            .iter()
            .filter_map(|link| link.component.as_deref())
        {
            if let Some(other) = all.iter().find(|it| it.name == link) {
                visit(other, all, done, way);
            }
        }
        way.pop();
        done.push(component);
    }
    let (all, mut done) = (&service.spec.components, Vec::new());
    for component in all {
        visit(component, all, &mut done, &mut Vec::new());
    }
    done.retain(|component| !is_within(service, component));
    done
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
    let (here, all) = (&part.spec.components, &service.spec.components);
    part.spec
        .stores
        .retain(|it| is_granted(here, it) || !is_granted(all, it));
    part
}

fn is_granted(components: &[Component], store: &Store) -> bool {
    components.iter().any(|it| it.capabilities.has_store(&store.name))
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
    fn what_others_are_linked_to_comes_first() {
        let service = service(
            "
components:
- {name: web, image: r.example/web:1, links: [{import: 'a:b/c', component: api}, {import: 'a:b/e', component: lib}]}
- {name: api, image: r.example/api:1, links: [{import: 'a:b/d', component: lib}]}
- {name: lib, image: r.example/lib:1}
- {name: report, image: r.example/report:1, links: [{import: 'a:b/d', component: sums}]}
- {name: sums, image: r.example/sums:1}
triggers:
- {name: web, component: web, http: {}}
- {name: api, component: api, http: {path: /api}}
- {name: nightly, component: report, schedule: {cron: '@daily'}}
",
        );
        let names = |part: &WasmService| -> (Vec<String>, Vec<String>) {
            let within = part.spec.components.iter().filter(|it| is_within(part, it));
            (
                within.map(|it| it.name.clone()).collect(),
                in_order(part).into_iter().map(|it| it.name.clone()).collect(),
            )
        };
        let named = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            names(&deployed(&service)),
            (named(&["lib"]), named(&["api", "web"]))
        );
        let nightly = &service.spec.triggers[2];
        assert_eq!(
            names(&run(&service, nightly)),
            (named(&["sums"]), named(&["report"]))
        );
    }

    #[test]
    fn a_part_has_its_own_stores() {
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
        let stores = |part: WasmService| {
            let stores = part.spec.stores.into_iter();
            stores.map(|it| it.name).collect::<Vec<_>>()
        };
        assert_eq!(stores(deployed(&service)), ["visits"]);
        let nightly = &service.spec.triggers[1];
        assert_eq!(stores(run(&service, nightly)), ["sums"]);
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
