//! Values of Secrets and ConfigMaps on their way to a component of a pod. The pod's container has a variable for each, which kubelet
//! resolves; the shim takes them out again, and the component never sees them as variables. So neither operator nor shim reads
//! Secrets for it.

use k8s_openapi::api::core::v1::{ConfigMapKeySelector, EnvVar, EnvVarSource, SecretKeySelector};
use std::collections::BTreeMap;

use crate::{Capabilities, KeyRef};

/// Before the index of the entry in `capabilities.config`. Not a C identifier, so no program's own variable is called so.
const CONFIG: &str = "shoal.dev.config.";
/// Before the index of the entry in `capabilities.secrets`.
const SECRET: &str = "shoal.dev.secret.";

/// The variables that a container needs beside its component's own, for what the component was granted by reference.
pub fn carried(capabilities: &Capabilities) -> Vec<EnvVar> {
    let config = capabilities
        .config
        .iter()
        .enumerate()
        .filter_map(|(index, grant)| {
            let source = grant.value_from.as_ref()?;
            let config_map = source.config_map_key_ref.as_ref().map(config_map);
            let secret = source.secret_key_ref.as_ref().map(secret);
            Some(variable(format!("{CONFIG}{index}"), config_map, secret))
        });
    let secrets = capabilities.secrets.iter().enumerate().map(|(index, grant)| {
        let secret = secret(&grant.secret_key_ref);
        variable(format!("{SECRET}{index}"), None, Some(secret))
    });
    config.chain(secrets).collect()
}

type Variables = Vec<(String, String)>;

/// Takes carried values out of a container's variables, into the grants that they belong to. Returns the component's own variables,
/// and the values of its secrets by name. What is optional and is not there is left out.
pub(super) fn take(
    env: &[(String, String)],
    capabilities: &mut Capabilities,
) -> (Variables, BTreeMap<String, String>) {
    let (carried, own): (Variables, Variables) = env
        .iter()
        .cloned()
        .partition(|(name, _)| name.starts_with(CONFIG) || name.starts_with(SECRET));
    let carried: BTreeMap<_, _> = carried.into_iter().collect();
    let mut index = 0..;
    capabilities.config.retain_mut(|grant| {
        let name = index.next().map(|index| format!("{CONFIG}{index}"));
        if grant.value_from.take().is_some() {
            grant.value = name.and_then(|name| carried.get(&name).cloned());
        }
        grant.value.is_some()
    });
    let secrets = capabilities.secrets.iter().enumerate();
    let secrets = secrets.filter_map(|(index, grant)| {
        let value = carried.get(&format!("{SECRET}{index}"))?;
        Some((grant.name.clone(), value.clone()))
    });
    (own, secrets.collect())
}

fn variable(
    name: String,
    config_map_key_ref: Option<ConfigMapKeySelector>,
    secret_key_ref: Option<SecretKeySelector>,
) -> EnvVar {
    EnvVar {
        name,
        value: None,
        value_from: Some(EnvVarSource {
            config_map_key_ref,
            secret_key_ref,
            ..EnvVarSource::default()
        }),
    }
}

fn config_map(KeyRef { name, key, optional }: &KeyRef) -> ConfigMapKeySelector {
    ConfigMapKeySelector {
        name: name.clone(),
        key: key.clone(),
        optional: *optional,
    }
}

fn secret(KeyRef { name, key, optional }: &KeyRef) -> SecretKeySelector {
    SecretKeySelector {
        name: name.clone(),
        key: key.clone(),
        optional: *optional,
    }
}
