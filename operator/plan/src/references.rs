//! Which Secrets and ConfigMaps a service refers to: a change of their data is a change of the service.

use std::collections::BTreeSet;

use shoal_api::{Component, ValueSource, WasmService};

/// A Secret or ConfigMap of the service's namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// Which of the two.
    pub kind: ReferenceKind,
    /// Its name.
    pub name: String,
}

/// What can be referred to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReferenceKind {
    /// A ConfigMap.
    ConfigMap,
    /// A Secret.
    Secret,
}

/// All that the service's components read.
pub fn references(service: &WasmService) -> BTreeSet<Reference> {
    service.spec.components.iter().flat_map(of_component).collect()
}

fn of_component(component: &Component) -> Vec<Reference> {
    let mut found = Vec::new();
    let mut add = |kind, name: &str| {
        let name = name.to_owned();
        found.push(Reference { kind, name });
    };
    for source in component.env.iter().filter_map(|it| it.value_from.as_ref()) {
        if let Some(reference) = &source.config_map_key_ref {
            add(ReferenceKind::ConfigMap, &reference.name);
        }
        if let Some(reference) = &source.secret_key_ref {
            add(ReferenceKind::Secret, &reference.name);
        }
    }
    let capabilities = &component.capabilities;
    for source in capabilities.config.iter().filter_map(|it| it.value_from.as_ref()) {
        let ValueSource {
            config_map_key_ref,
            secret_key_ref,
        } = source;
        if let Some(reference) = config_map_key_ref {
            add(ReferenceKind::ConfigMap, &reference.name);
        }
        if let Some(reference) = secret_key_ref {
            add(ReferenceKind::Secret, &reference.name);
        }
    }
    for grant in &capabilities.secrets {
        add(ReferenceKind::Secret, &grant.secret_key_ref.name);
    }
    found
}
