//! What a manifest may say and a cluster does not run yet. It is refused, never ignored. What no schema allows never comes here.

use shoal_api::{Component, Problem, WasmService};

use crate::Observed;
use crate::conditions::{Reason, Refusal};

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
    let mut found = shoal_api::unsupported(service);
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
        found.extend(in_a_pod(component, &at));
    }
    found.extend(shoal_api::pod::unsupported_stores(&spec.stores));
    for (index, trigger) in spec.triggers.iter().enumerate() {
        if trigger.http.is_none() {
            let field = format!("spec.triggers[{index}]");
            found.push(problem(
                &field,
                "only http triggers are supported on a cluster yet",
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
