//! Pieces of JSON schema that several types share. What the whole CRD looks like is in `crd.rs`.

use k8s_openapi::api::core::v1::{EnvVar, LocalObjectReference, Volume};
use schemars::{Schema, SchemaGenerator};
use serde_json::{Value, json};

/// A DNS-1123 label, as a pod, a container and a volume are named.
pub(crate) const LABEL: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
/// A DNS-1123 subdomain, as a Secret and a ConfigMap are named.
pub(crate) const SUBDOMAIN: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// A key of a Secret or a ConfigMap.
pub(crate) const KEY: &str = "^[-._a-zA-Z0-9]+$";

/// Kubernetes' environment variables, with the bounds that keep CEL's estimated cost finite.
pub(crate) fn env(generator: &mut SchemaGenerator) -> Schema {
    list(generator.subschema_for::<EnvVar>(), "name", 256, "^[^=]+$", 253)
}

/// Kubernetes' volumes, with bounds on what CEL rules look at.
pub(crate) fn volumes(generator: &mut SchemaGenerator) -> Schema {
    list(generator.subschema_for::<Volume>(), "name", 64, LABEL, 63)
}

/// References to Secrets with a registry's credentials.
pub(crate) fn pull_secrets(generator: &mut SchemaGenerator) -> Schema {
    list(
        generator.subschema_for::<LocalObjectReference>(),
        "name",
        16,
        SUBDOMAIN,
        253,
    )
}

/// A list that is keyed by a required string field.
fn list(item: Schema, key: &str, max_items: u32, pattern: &str, max_length: u32) -> Schema {
    let mut item = item.to_value();
    item["properties"][key]["pattern"] = pattern.into();
    item["properties"][key]["maxLength"] = max_length.into();
    item["properties"][key]["minLength"] = 1.into();
    if let Some(property) = item["properties"][key].as_object_mut() {
        // A key has to be written: an empty default would make it a key of its own.
        property.remove("default");
    }
    item["required"] = json!([key]);
    strip_descriptions(&mut item, true);
    schemars::json_schema!({
        "type": "array",
        "items": item,
        "maxItems": max_items,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": [key],
    })
}

/// Kubernetes documents its own types at a length that would make up most of the CRD.
fn strip_descriptions(value: &mut Value, is_schema: bool) {
    match value {
        Value::Object(map) => {
            if is_schema {
                map.remove("description");
            }
            for (key, child) in map.iter_mut() {
                // Below `properties` the keys are names of fields, one of which may be "description".
                strip_descriptions(child, key != "properties" || !is_schema);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| strip_descriptions(item, true)),
        _ => {}
    }
}
