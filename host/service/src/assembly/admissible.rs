//! Whether a component may run, from what it imports and exports: before it is compiled, and once more before it is linked.

use crate::ServiceError;
use shoal_api::{Component, Trigger};
use shoal_capability::{Inadmissible, Origin, admit_parts};
use shoal_description::{Description, HANDLES_EVENTS, HANDLES_REQUESTS, World};

/// Refuses a component that imports what is neither granted nor linked, and one that has such a component in itself. `parts` are those
/// that are in it, with their places in the manifest.
pub(crate) fn admit(parts: &[(usize, &Component)], description: &Description) -> Result<(), ServiceError> {
    let parts = parts.iter();
    let parts: Vec<_> = parts
        .map(|(index, component)| (Origin::Manifest(*index), *component))
        .collect();
    admit_at(&parts, description)
}

/// The same for a program that `shoal run` runs.
pub(crate) fn admit_program(component: &Component, description: &Description) -> Result<(), ServiceError> {
    match description.fits(World::Command) {
        true => admit_at(&[(Origin::Run, component)], description),
        false => Err(no_program(component, description)),
    }
}

fn admit_at(parts: &[(Origin, &Component)], description: &Description) -> Result<(), ServiceError> {
    admit_parts(description, parts).map_err(|Inadmissible { part, denied }| ServiceError::Denied {
        component: parts
            .get(part)
            .map_or_else(String::new, |(_, it)| it.name.clone()),
        denied,
    })
}

/// A component that is to be run as a program and is none.
pub(crate) fn no_program(component: &Component, description: &Description) -> ServiceError {
    let command = World::Command.export();
    ServiceError::Exports {
        component: component.name.clone(),
        exports: description.export_names(),
        wanted: format!(
            "a program exports {command}: a service is started from its manifest with `shoal up`"
        ),
    }
}

/// Refuses a component that exports nothing that one of its triggers could call.
pub(crate) fn callable(
    component: &str,
    description: &Description,
    triggers: &[Trigger],
) -> Result<(), ServiceError> {
    for (index, trigger) in triggers.iter().enumerate() {
        let called = match &trigger.http {
            Some(_) => description.request_world().is_some(),
            None => description.event_world().is_some(),
        };
        if trigger.component == component && !called {
            return Err(uncallable(index, trigger, description.export_names()));
        }
    }
    Ok(())
}

/// A trigger, by its place in the manifest, whose component exports nothing that it could call.
pub(crate) fn uncallable(index: usize, trigger: &Trigger, exports: String) -> ServiceError {
    let name = &trigger.name;
    let wanted = match &trigger.http {
        Some(_) => format!(
            "trigger {name} calls {HANDLES_REQUESTS}: build it for one of these, or run a command with `shoal run`"
        ),
        None => format!(
            "spec.triggers[{index}].component: trigger {name} calls {HANDLES_EVENTS}: build it for one of these"
        ),
    };
    ServiceError::Exports {
        component: trigger.component.clone(),
        exports,
        wanted,
    }
}
