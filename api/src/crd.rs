//! The CustomResourceDefinition: what kube derives from the types, made strict. Written to `crds/` by `xtask crds`.

use std::sync::OnceLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Map, Value};

use crate::WasmService;

/// Why the definition could not be made. Both are mistakes in this crate, not in anything a user wrote.
#[derive(Debug, thiserror::Error)]
pub enum CrdError {
    /// The derived definition is not what Kubernetes' types can hold.
    #[error("the derived CustomResourceDefinition is malformed: {0}; report this as a bug of shoal-api")]
    Json(#[from] serde_json::Error),
    /// The definition could not be written as YAML.
    #[error(
        "the CustomResourceDefinition could not be written as YAML: {0}; report this as a bug of shoal-api"
    )]
    Yaml(#[from] serde_saphyr::SerializeError),
}

/// The definition of WasmService, as it is installed into a cluster.
pub fn crd() -> Result<CustomResourceDefinition, CrdError> {
    Ok(serde_json::from_value(definition().clone())?)
}

/// The definition as the YAML file that is checked in: the same bytes for the same types.
pub fn yaml() -> Result<String, CrdError> {
    Ok(format!(
        "# Generated from api/ by `cargo run -p xtask -- crds`. Do not edit.\n{}",
        serde_saphyr::to_string(definition())?
    ))
}

/// The schema of a whole WasmService document, with its CEL rules.
pub fn schema() -> &'static Value {
    &definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}

fn definition() -> &'static Value {
    static DEFINITION: OnceLock<Value> = OnceLock::new();
    DEFINITION.get_or_init(|| {
        let mut definition = serde_json::to_value(WasmService::crd()).unwrap_or_default();
        for version in definition["spec"]["versions"]
            .as_array_mut()
            .into_iter()
            .flatten()
        {
            tighten(&mut version["schema"]["openAPIV3Schema"], true);
        }
        sorted(definition)
    })
}

/// - `nullable` goes: a field that is there without a value would count as present in every `has()`.
/// - Formats that Kubernetes does not know (`uint16`, `uint32`) become `int32`; the bounds are there as numbers.
fn tighten(value: &mut Value, is_schema: bool) {
    match value {
        Value::Object(map) => {
            if is_schema {
                map.remove("nullable");
                if map
                    .get("format")
                    .and_then(Value::as_str)
                    .is_some_and(|format| format.starts_with("uint"))
                {
                    map.insert("format".to_owned(), "int32".into());
                }
            }
            for (key, child) in map.iter_mut() {
                let below = match key.as_str() {
                    // Below `properties` the keys are names of fields, not of keywords.
                    "properties" if is_schema => false,
                    // A default is a value, not a schema.
                    "default" if is_schema => continue,
                    _ => true,
                };
                tighten(child, below);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| tighten(item, true)),
        _ => {}
    }
}

/// Sorts all keys, whatever map serde_json was built with, and writes whole numbers as such.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().collect();
            entries.sort_by(|(one, _), (other, _)| one.cmp(other));
            Value::Object(
                entries
                    .into_iter()
                    .map(|(key, child)| (key, sorted(child)))
                    .collect::<Map<_, _>>(),
            )
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 9e15 => {
                (float as i64).into()
            }
            _ => Value::Number(number),
        },
        other => other,
    }
}
