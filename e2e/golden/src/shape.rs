//! What of a JSON schema says how a type is read and written: fields, variants, types. Titles, descriptions and what a validation
//! demands may change without a new version.

use serde_json::{Map, Value};

/// Keywords whose value is a schema, or a list of them.
const SCHEMAS: &[&str] = &[
    "items",
    "prefixItems",
    "anyOf",
    "oneOf",
    "allOf",
    "additionalProperties",
];
/// Keywords whose value is a schema for each name.
const BY_NAME: &[&str] = &["properties", "$defs"];
/// Keywords whose value stands for itself.
const PLAIN: &[&str] = &["required", "$ref", "enum", "const", "type", "format"];

/// The part of `schema` that matters.
pub(crate) fn of(schema: &Value) -> Value {
    match schema {
        Value::Object(schema) => Value::Object(keywords(schema)),
        Value::Array(schemas) => Value::Array(schemas.iter().map(of).collect()),
        other => other.clone(),
    }
}

fn keywords(schema: &Map<String, Value>) -> Map<String, Value> {
    let kept = schema.iter().filter_map(|(keyword, value)| {
        let keyword = keyword.as_str();
        let value = if SCHEMAS.contains(&keyword) {
            of(value)
        } else if BY_NAME.contains(&keyword) {
            let by_name = value.as_object()?.iter();
            Value::Object(by_name.map(|(name, schema)| (name.clone(), of(schema))).collect())
        } else if PLAIN.contains(&keyword) {
            value.clone()
        } else {
            return None;
        };
        Some((keyword.to_owned(), value))
    });
    kept.collect()
}
