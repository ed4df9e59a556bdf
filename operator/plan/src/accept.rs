//! What a manifest may say and a cluster does not run yet. It is refused, never ignored. What no schema allows never comes here.

use shoal_api::{Component, ConcurrencyPolicy, Problem, Store, Trigger, WasmService};

use crate::conditions::{Reason, Refusal};
use crate::parts::{deployed, deploys, schedules};
use crate::{Observed, parts, probe};

/// Why the service can't be run as its spec has it.
pub(crate) fn refusal(service: &WasmService) -> Option<Refusal> {
    let problems = problems(service);
    let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
    (!texts.is_empty()).then(|| Refusal {
        reason: Reason::NotSupported,
        message: texts.join("; "),
    })
}

/// Why it can't be run on this cluster: others have taken the names that it needs, or the API server does not take what it needs.
pub(crate) fn turned_away(observed: &Observed) -> Option<Refusal> {
    let found = [
        (Reason::NameTaken, &observed.taken),
        (Reason::Refused, &observed.refused),
    ];
    let mut found = found
        .into_iter()
        .filter_map(|(reason, it)| Some((reason, it.clone()?)));
    found.next().map(|(reason, message)| Refusal { reason, message })
}

fn problems(service: &WasmService) -> Vec<Problem> {
    let spec = &service.spec;
    let mut found = shoal_api::unsupported_variables(service);
    for (index, component) in spec.components.iter().enumerate() {
        let at = format!("spec.components[{index}]");
        if component.file.is_some() {
            found.push(problem(
                &format!("{at}.file"),
                "a cluster reads no files of yours: push the component (`shoal push`, or `shoal deploy` does it) and set image",
            ));
        }
        if component.reuse.is_some() {
            found.push(problem(
                &format!("{at}.reuse"),
                "reuse of instances: not supported in a pod yet",
            ));
        }
        let misled = probe::misled(service, component).into_iter();
        found.extend(misled.map(|(field, message)| problem(&format!("{at}.{field}"), &message)));
        found.extend(in_a_pod(component, &at));
    }
    found.extend(schedules(service).flat_map(|trigger| two_writers(service, trigger)));
    let most = spec.scaling.max_replicas.unwrap_or(spec.scaling.min_replicas);
    let replicated = deployed(service).spec.stores;
    let is_file = |store: &Store| store.persistent.is_some() && replicated.contains(store);
    let file = spec.stores.iter().position(is_file);
    if let Some(index) = file.filter(|_| most > 1) {
        found.push(problem(
            &format!("spec.stores[{index}].persistent"),
            "a file has one writer, and spec.scaling asks for more than one replica: keep the store in redis, or set minReplicas and \
             maxReplicas to 1",
        ));
    }
    found
}

/// The stores of a trigger's component that are files and have another writer beside one of its runs: each run is a pod.
fn two_writers(service: &WasmService, trigger: &Trigger) -> Vec<Problem> {
    let spec = &service.spec;
    let is_file = |name: &str| {
        let mut stores = spec.stores.iter();
        stores.any(|it| it.name == name && it.persistent.is_some())
    };
    let grants = |part: &WasmService, store: &str| {
        let mut components = part.spec.components.iter();
        components.any(|it| it.capabilities.has_store(store))
    };
    let other_writer = |store: &str| {
        let mut others = schedules(service).filter(|it| it.name != trigger.name);
        let policy = trigger.schedule.as_ref().map(|it| it.concurrency_policy);
        if deploys(service) && grants(&deployed(service), store) {
            Some("the pods that serve have it too".to_owned())
        } else if let Some(other) = others.find(|it| grants(&parts::run(service, it), store)) {
            Some(format!("the runs of trigger {} have it too", other.name))
        } else {
            (policy == Some(ConcurrencyPolicy::Allow))
                .then(|| "concurrencyPolicy: Allow lets two runs overlap (set Forbid)".to_owned())
        }
    };
    let mut found = Vec::new();
    for (index, component) in spec.components.iter().enumerate() {
        let called = component.name == trigger.component;
        let grants = component.capabilities.key_value.iter().enumerate();
        for (grant, store) in grants.filter(|(_, it)| called && is_file(&it.store)) {
            let Some(other) = other_writer(&store.store) else {
                continue;
            };
            found.push(problem(
                &format!("spec.components[{index}].capabilities.keyValue[{grant}].store"),
                &format!(
                    "{} is a file, which has one writer, and each run of trigger {} is one: {other}; a store of kind redis can be shared",
                    store.store, trigger.name
                ),
            ));
        }
    }
    found
}

/// What pods refuse, in the words of the manifest.
fn in_a_pod(component: &Component, at: &str) -> Vec<Problem> {
    let mut problems = shoal_api::pod::unsupported(component);
    for problem in &mut problems {
        problem.field = format!("{at}.{}", problem.field);
    }
    problems
}

fn problem(field: &str, message: &str) -> Problem {
    Problem {
        source: None,
        field: field.to_owned(),
        message: message.to_owned(),
        hint: None,
    }
}
