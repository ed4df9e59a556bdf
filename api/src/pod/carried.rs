//! Values of Secrets and ConfigMaps on their way to a component of a pod. The pod's container has a variable for each, which kubelet
//! resolves; the shim takes them out again, and the component never sees them as variables. So neither operator nor shim reads
//! Secrets for it.

use k8s_openapi::api::core::v1::{ConfigMapKeySelector, EnvVar, EnvVarSource, SecretKeySelector};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::{Component, KeyRef, ReferenceKind, Secret, ValueSource, WasmServiceSpec, references};

/// Before the names of a ConfigMap and of its key. Not a C identifier, so no program's own variable is called so.
const CONFIG_MAP: &str = "shoal.dev.config-map.";
/// Before the names of a Secret and of its key.
const SECRET: &str = "shoal.dev.secret.";
/// Between the two names: no object's name has it in it, or ends in a dot.
const KEY: &str = "..";

/// Values by the object's name and the key.
type ByName<T> = BTreeMap<String, BTreeMap<String, T>>;

/// Values that a container brings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Values {
    /// Of ConfigMaps.
    pub config_maps: ByName<String>,
    /// Of Secrets.
    pub secrets: ByName<Secret>,
}

impl Values {
    /// The value that a source names; none where it was not brought.
    pub fn read(&self, source: &ValueSource) -> Option<&str> {
        let (kind, at) = source.key()?;
        match kind {
            ReferenceKind::ConfigMap => self.config_maps.get(&at.name)?.get(&at.key).map(String::as_str),
            ReferenceKind::Secret => self.secrets.get(&at.name)?.get(&at.key)?.expose_text(),
        }
    }
}

/// The variables that a container needs beside its component's own, for what the component was granted by reference.
pub fn carried(component: &Component, spec: &WasmServiceSpec) -> Vec<EnvVar> {
    let carried = references(component, spec);
    let variables = carried
        .into_iter()
        .map(|(kind, at)| (variable_name(kind, &at.name, &at.key), (kind, at)));
    // Each once, and in an order that does not depend on who refers to it.
    let variables: BTreeMap<_, _> = variables.collect();
    let variables = variables.into_iter();
    variables
        .map(|(name, (kind, at))| variable(name, kind, at))
        .collect()
}

/// The variable by which a container brings the value of this key.
pub fn variable_name(kind: ReferenceKind, object: &str, key: &str) -> String {
    let before = match kind {
        ReferenceKind::ConfigMap => CONFIG_MAP,
        ReferenceKind::Secret => SECRET,
    };
    format!("{before}{object}{KEY}{key}")
}

/// Takes carried values out of a container's variables. Returns the component's own variables, and the values.
pub(super) fn take(env: &[(String, String)]) -> (Vec<(String, String)>, Values) {
    let (mut own, mut values) = (Vec::new(), Values::default());
    for (name, value) in env {
        let of = |before: &str| name.strip_prefix(before)?.split_once(KEY);
        if let Some((object, key)) = of(CONFIG_MAP) {
            let object = values.config_maps.entry(object.to_owned()).or_default();
            object.insert(key.to_owned(), value.clone());
        } else if let Some((object, key)) = of(SECRET) {
            let object = values.secrets.entry(object.to_owned()).or_default();
            object.insert(key.to_owned(), Secret::from(value.clone()));
        } else {
            own.push((name.clone(), value.clone()));
        }
    }
    (own, values)
}

fn variable(name: String, kind: ReferenceKind, at: KeyRef) -> EnvVar {
    let KeyRef {
        name: object,
        key,
        optional,
    } = at;
    let source = match kind {
        ReferenceKind::ConfigMap => EnvVarSource {
            config_map_key_ref: Some(ConfigMapKeySelector {
                name: object,
                key,
                optional,
            }),
            ..EnvVarSource::default()
        },
        ReferenceKind::Secret => EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                name: object,
                key,
                optional,
            }),
            ..EnvVarSource::default()
        },
    };
    EnvVar {
        name,
        value: None,
        value_from: Some(source),
    }
}
