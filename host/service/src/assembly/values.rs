//! Values that a manifest names by reference: `valueFrom` of variables and configuration, secrets. Where Secrets and ConfigMaps
//! come from is the caller's business.

use k8s_openapi::ByteString;
use k8s_openapi::api::core;
use k8s_openapi::api::core::v1::EnvVar;
use shoal_api::pod::{Values, variable_name};
use shoal_api::{
    Component, ConfigGrant, KeyRef, Problem, ReferenceKind, Secret, ValueSource, WasmService, stand_in,
};
use std::collections::BTreeMap;

/// The values of an object, of whichever kind: URLs with passwords are in ConfigMaps, too.
pub(crate) type Keys = BTreeMap<String, Secret>;

/// The Secrets and ConfigMaps that a service may refer to, by name.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    secrets: BTreeMap<String, Keys>,
    config_maps: BTreeMap<String, Keys>,
    /// They came as variables of a container.
    carried: bool,
}

/// What a container brings of them.
impl From<&Values> for Objects {
    fn from(values: &Values) -> Self {
        let keys = |keys: &BTreeMap<String, String>| -> Keys {
            let keys = keys.iter();
            keys.map(|(key, value)| (key.clone(), Secret::from(value.clone())))
                .collect()
        };
        let config_maps = values.config_maps.iter();
        Self {
            secrets: values.secrets.clone(),
            config_maps: config_maps
                .map(|(name, values)| (name.clone(), keys(values)))
                .collect(),
            carried: true,
        }
    }
}

impl Objects {
    /// Adds a Secret. `stringData` overrides `data`, as the API server has it.
    pub fn add_secret(&mut self, secret: core::v1::Secret) {
        let values = keys(secret.data, secret.string_data);
        self.secrets
            .insert(secret.metadata.name.unwrap_or_default(), values);
    }

    /// Adds a ConfigMap.
    pub fn add_config_map(&mut self, map: core::v1::ConfigMap) {
        let values = keys(map.binary_data, map.data);
        self.config_maps
            .insert(map.metadata.name.unwrap_or_default(), values);
    }

    /// All keys of an object.
    pub(crate) fn all(&self, from: ReferenceKind, name: &str) -> Option<&Keys> {
        match from {
            ReferenceKind::Secret => self.secrets.get(name),
            ReferenceKind::ConfigMap => self.config_maps.get(name),
        }
    }

    /// The value that a reference names. None where it is missing and may be.
    pub(crate) fn read(
        &self,
        from: ReferenceKind,
        name: &str,
        key: &str,
        optional: bool,
        field: &str,
    ) -> Result<Option<&[u8]>, Problem> {
        let kind = kind(from);
        let found = match self.all(from, name) {
            Some(keys) => match keys.get(key) {
                Some(value) => return Ok(Some(value.expose())),
                None => format!("{kind} {name} has no key {key}"),
            },
            None => format!("there is no {kind} {name}"),
        };
        if optional {
            return Ok(None);
        }
        Err(Problem {
            source: None,
            field: field.to_owned(),
            message: found,
            hint: Some(match self.carried {
                true => format!(
                    "give the container the variable {} with a valueFrom of this key, or set optional: true",
                    variable_name(from, name, key)
                ),
                false => format!("put a {kind} with this key beside the service, or set optional: true"),
            }),
        })
    }

    fn text(
        &self,
        from: ReferenceKind,
        name: &str,
        key: &str,
        optional: bool,
        field: &str,
    ) -> Result<Option<String>, Problem> {
        let Some(bytes) = self.read(from, name, key, optional, field)? else {
            return Ok(None);
        };
        String::from_utf8(bytes.to_vec()).map(Some).map_err(|_| Problem {
            source: None,
            field: field.to_owned(),
            message: format!("key {key} of {} {name} is not UTF-8", kind(from)),
            hint: Some("read it as a secret (capabilities.secrets), which may be any bytes".to_owned()),
        })
    }
}

/// The values of an object that has some as bytes and some as texts. Texts count.
fn keys(bytes: Option<BTreeMap<String, ByteString>>, texts: Option<BTreeMap<String, String>>) -> Keys {
    let bytes = bytes.unwrap_or_default().into_iter();
    let texts = texts.unwrap_or_default().into_iter();
    let bytes = bytes.map(|(key, value)| (key, Secret::new(value.0)));
    bytes
        .chain(texts.map(|(key, value)| (key, Secret::from(value))))
        .collect()
}

fn kind(from: ReferenceKind) -> &'static str {
    match from {
        ReferenceKind::Secret => "Secret",
        ReferenceKind::ConfigMap => "ConfigMap",
    }
}

/// A component's environment, with `$(NAME)` replaced by variables that stand before it, as in a Pod. In a pod, kubelet has done
/// so already.
pub(crate) fn environment(
    component: &Component,
    at: &str,
    from: Sources<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<(String, String)> {
    let mut known: Vec<(String, String)> = Vec::new();
    for (index, variable) in component.env.iter().enumerate() {
        match variable_value(component, variable, &format!("{at}.env[{index}]"), from) {
            Ok(Some(value)) => {
                let value = if variable.value_from.is_none() && !from.objects.carried {
                    expand(&value, &known)
                } else {
                    value
                };
                known.retain(|(name, _)| *name != variable.name);
                known.push((variable.name.clone(), value));
            }
            Ok(None) => {}
            Err(problem) => problems.push(problem),
        }
    }
    // As kubelet has it, `$(NAME)` means none of these.
    let mut all = whole_objects(component, at, from.objects, problems);
    all.retain(|(name, _)| !known.iter().any(|(known, _)| known == name));
    all.extend(known);
    all
}

/// What the variables of a component are read from.
#[derive(Clone, Copy)]
pub(crate) struct Sources<'a> {
    pub(crate) objects: &'a Objects,
    /// The service, for what stands for the fields of its pods. None where all variables have values.
    pub(crate) service: Option<&'a WasmService>,
}

/// The variables of `envFrom`, the last of each name. Values that are no text are left out: a variable could not hold them.
fn whole_objects(
    component: &Component,
    at: &str,
    objects: &Objects,
    problems: &mut Vec<Problem>,
) -> Vec<(String, String)> {
    let mut found = BTreeMap::new();
    for (index, source) in component.env_from.iter().enumerate() {
        let secret = source.secret_ref.as_ref();
        let secret = secret.map(|it| (ReferenceKind::Secret, &it.name, it.optional, "secretRef"));
        let config_map = source.config_map_ref.as_ref();
        let config_map =
            config_map.map(|it| (ReferenceKind::ConfigMap, &it.name, it.optional, "configMapRef"));
        let Some((from, name, optional, field)) = secret.or(config_map) else {
            continue;
        };
        let prefix = source.prefix.as_deref().unwrap_or_default();
        match objects.all(from, name) {
            Some(keys) => found.extend(keys.iter().filter_map(|(key, value)| {
                let value = std::str::from_utf8(value.expose()).ok()?;
                Some((format!("{prefix}{key}"), value.to_owned()))
            })),
            None if optional == Some(true) => {}
            None => problems.push(Problem {
                source: None,
                field: format!("{at}.envFrom[{index}].{field}"),
                message: format!("there is no {} {name}", kind(from)),
                hint: Some("put it beside the service, or set optional: true".to_owned()),
            }),
        }
    }
    found.into_iter().collect()
}

fn variable_value(
    component: &Component,
    variable: &EnvVar,
    at: &str,
    from: Sources<'_>,
) -> Result<Option<String>, Problem> {
    let objects = from.objects;
    let Some(source) = &variable.value_from else {
        return Ok(Some(variable.value.clone().unwrap_or_default()));
    };
    let at = format!("{at}.valueFrom");
    if let Some(it) = &source.secret_key_ref {
        return objects.text(
            ReferenceKind::Secret,
            &it.name,
            &it.key,
            it.optional.unwrap_or(false),
            &format!("{at}.secretKeyRef"),
        );
    }
    if let Some(it) = &source.config_map_key_ref {
        return objects.text(
            ReferenceKind::ConfigMap,
            &it.name,
            &it.key,
            it.optional.unwrap_or(false),
            &format!("{at}.configMapKeyRef"),
        );
    }
    if let (Some(it), Some(service)) = (&source.field_ref, from.service) {
        return Ok(stand_in::field(service, &it.field_path));
    }
    // Other sources were refused as not supported.
    let figure = source.resource_field_ref.as_ref();
    Ok(figure.and_then(|it| stand_in::figure(component, it)))
}

/// The bytes that a source names. None where there is no source, or what it names is missing and may be.
pub(crate) fn sourced<'a>(
    source: Option<&ValueSource>,
    at: &str,
    objects: &'a Objects,
) -> Result<Option<&'a [u8]>, Problem> {
    let Some((from, KeyRef { name, key, optional })) = source.and_then(ValueSource::key) else {
        return Ok(None);
    };
    objects.read(from, name, key, optional.unwrap_or(false), &at_key(at, from))
}

/// The field of a source that names a key.
fn at_key(source: &str, from: ReferenceKind) -> String {
    match from {
        ReferenceKind::Secret => format!("{source}.secretKeyRef"),
        ReferenceKind::ConfigMap => format!("{source}.configMapKeyRef"),
    }
}

/// Values for `wasi:config`.
pub(crate) fn configuration(
    grants: &[ConfigGrant],
    at: &str,
    objects: &Objects,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for (index, grant) in grants.iter().enumerate() {
        let at = format!("{at}.capabilities.config[{index}].valueFrom");
        let value = match grant.value_from.as_ref().and_then(ValueSource::key) {
            Some((from, KeyRef { name, key, optional })) => {
                objects.text(from, name, key, optional.unwrap_or(false), &at_key(&at, from))
            }
            None => Ok(grant.value.clone()),
        };
        match value {
            Ok(value) => values.extend(value.map(|value| (grant.name.clone(), value))),
            Err(problem) => problems.push(problem),
        }
    }
    values
}

/// Values for `shoal:service/secrets`.
pub(crate) fn secrets(
    component: &Component,
    at: &str,
    objects: &Objects,
    problems: &mut Vec<Problem>,
) -> Keys {
    let mut values = BTreeMap::new();
    for (index, grant) in component.capabilities.secrets.iter().enumerate() {
        let KeyRef { name, key, optional } = &grant.secret_key_ref;
        let at = format!("{at}.capabilities.secrets[{index}].secretKeyRef");
        match objects.read(ReferenceKind::Secret, name, key, optional.unwrap_or(false), &at) {
            Ok(Some(bytes)) => {
                values.insert(grant.name.clone(), Secret::new(bytes));
            }
            Ok(None) => {}
            Err(problem) => problems.push(problem),
        }
    }
    values
}

/// `$(NAME)` becomes the variable's value, `$$` a `$`; what names no variable stays as it is (Kubernetes' `expansion` package).
fn expand(text: &str, known: &[(String, String)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let after = from.get(1..).unwrap_or_default();
        rest = if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            after
        } else if let Some((name, after)) = after.strip_prefix('(').and_then(|it| it.split_once(')')) {
            match known.iter().find(|(known, _)| known == name) {
                Some((_, value)) => out.push_str(value),
                None => out.push_str(&format!("$({name})")),
            }
            after
        } else {
            out.push('$');
            after
        };
    }
    out + rest
}

#[cfg(test)]
mod tests;
