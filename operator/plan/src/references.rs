//! Which Secrets and ConfigMaps a service refers to: a change of their data is a change of the service.

use std::collections::BTreeSet;

use shoal_api::{Component, ReferenceKind, WasmService, WasmServiceSpec};

/// A Secret or ConfigMap of the service's namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// Which of the two.
    pub kind: ReferenceKind,
    /// Its name.
    pub name: String,
}

/// All that the service's components read.
pub fn references(service: &WasmService) -> BTreeSet<Reference> {
    let components = service.spec.components.iter();
    components
        .flat_map(|it| of_component(it, &service.spec))
        .collect()
}

fn of_component(component: &Component, spec: &WasmServiceSpec) -> Vec<Reference> {
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
    for source in &component.env_from {
        if let Some(reference) = &source.config_map_ref {
            add(ReferenceKind::ConfigMap, &reference.name);
        }
        if let Some(reference) = &source.secret_ref {
            add(ReferenceKind::Secret, &reference.name);
        }
    }
    for (kind, key) in shoal_api::references(component, spec) {
        add(kind, &key.name);
    }
    found
}
