//! Whether a component may run, from what it imports and exports: before it is compiled, and once more before it is linked.

use crate::ServiceError;
use crate::assembly::fields::Fields;
use crate::assembly::grants::Group;
use shoal_api::{Component, Trigger};
use shoal_capability::{Inadmissible, admit_parts};
use shoal_description::{Description, HANDLES_EVENTS, HANDLES_REQUESTS, World};

/// Refuses a root that imports what is neither granted nor linked, that has such a component in itself, or that exports nothing that it
/// could be called by. `places` are those of the components in it, its own first.
pub(crate) fn admit(
    group: &Group<'_>,
    places: &[usize],
    description: &Description,
) -> Result<(), ServiceError> {
    let parts = group.at(places);
    let Some((_, root)) = parts.first().copied() else {
        return Err(ServiceError::Manifest(Vec::new()));
    };
    if group.fields == Fields::Command {
        program(root, description)?;
    }
    let alone = parts.len() == 1;
    let described = parts.iter();
    let described: Vec<_> = described
        .map(|(place, it)| (group.fields.origin(*place, &it.name, alone), *it))
        .collect();
    admit_parts(description, &described).map_err(|Inadmissible { part, denied }| ServiceError::Denied {
        component: parts
            .get(part)
            .map_or_else(String::new, |(_, it)| it.name.clone()),
        denied,
    })?;
    match group.fields {
        Fields::Manifest => callable(&root.name, description, group.triggers),
        // The daemon decides what calls a component of a pod.
        Fields::Pod | Fields::Command => Ok(()),
    }
}

/// Refuses a component that is to be run as a program and is none.
pub(crate) fn program(component: &Component, description: &Description) -> Result<(), ServiceError> {
    if description.fits(World::Command) {
        return Ok(());
    }
    let command = World::Command.export();
    Err(ServiceError::Exports {
        component: component.name.clone(),
        exports: description.export_names(),
        wanted: format!(
            "a program exports {command}: a service is started from its manifest with `shoal up`"
        ),
    })
}

/// Refuses a component that exports nothing that one of its triggers could call.
fn callable(component: &str, description: &Description, triggers: &[Trigger]) -> Result<(), ServiceError> {
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
