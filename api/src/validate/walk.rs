//! The structural part of validation: types, required and unknown fields, bounds, patterns, keys of lists. Knows
//! JSON schema as far as CRDs use it, and nothing of WasmService.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use regex::Regex;
use serde_json::{Map, Value};

use super::suggest::closest;
use super::{MOST_PROBLEMS, words};
use crate::problem::{Path, Problem};

/// A problem and where it is, for the rules to know which values they may still judge.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: Path,
    pub(super) problem: Problem,
    /// The value has not the shape that the rules of all objects around it expect: a type, a required field.
    pub(super) shapeless: bool,
}

#[derive(Default)]
pub(super) struct Walk {
    found: Vec<Found>,
}

impl Walk {
    pub(super) fn finish(self) -> Vec<Found> {
        self.found
    }

    fn wrong(&mut self, path: &Path, shapeless: bool, problem: Problem) {
        self.found.push(Found {
            path: path.clone(),
            problem,
            shapeless,
        });
    }

    /// Checks a value and all that is in it.
    pub(super) fn value(&mut self, schema: &Value, value: &Value, path: &Path) {
        if self.found.len() >= MOST_PROBLEMS {
            return;
        }
        if !has_type(schema, value) {
            let problem = words::wrong_type(schema, value, path);
            return self.wrong(path, true, problem);
        }
        if let Some(choices) = schema.get("enum").and_then(Value::as_array)
            && !choices.contains(value)
        {
            return self.wrong(path, false, words::not_in_enum(choices, value, path));
        }
        match value {
            Value::Object(map) => self.object(schema, map, path),
            Value::Array(items) => self.array(schema, items, path),
            Value::String(text) => self.string(schema, text, path),
            Value::Number(number) => {
                let number = number.as_f64().unwrap_or(f64::NAN);
                let least = schema.get("minimum").and_then(Value::as_f64);
                let most = schema.get("maximum").and_then(Value::as_f64);
                if least.is_some_and(|least| number < least) || most.is_some_and(|most| number > most) {
                    self.wrong(path, false, words::out_of_range(value, least, most, path));
                }
            }
            _ => {}
        }
    }

    fn object(&mut self, schema: &Value, map: &Map<String, Value>, path: &Path) {
        let properties = schema.get("properties").and_then(Value::as_object);
        let additional = schema.get("additionalProperties");
        let open = schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
        let most = schema.get("maxProperties").and_then(Value::as_u64);
        if most.is_some_and(|most| map.len() as u64 > most) {
            let problem = words::wrong_length("entries", map.len() as u64, None, most, path);
            return self.wrong(path, true, problem);
        }
        let mut meant = Vec::new();
        for (name, child) in map {
            let path = path.field(name);
            if let Some(field) = properties.and_then(|fields| fields.get(name)) {
                self.value(field, child, &path);
            } else if let Some(field) = additional.filter(|field| field.is_object()) {
                self.value(field, child, &path);
            } else if let Some(fields) = properties.filter(|_| !open) {
                let guess = closest(name, fields.keys().map(String::as_str));
                meant.extend(guess);
                self.wrong(&path, false, words::unknown_field(fields, guess, &path));
            } else if !open && additional != Some(&Value::Bool(true)) && schema.get("type").is_some() {
                self.wrong(&path, false, words::unknown_field(&Map::new(), None, &path));
            }
        }
        for name in schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            // A required field that was mistyped has been named already.
            if !map.contains_key(name) {
                let field = properties
                    .and_then(|fields| fields.get(name))
                    .unwrap_or(&Value::Null);
                if meant.contains(&name) {
                    self.mark_shapeless(path);
                } else {
                    let path = path.field(name);
                    self.wrong(&path, true, words::missing(field, &path));
                }
            }
        }
    }

    /// Rules that would look for the required field cannot judge the value.
    fn mark_shapeless(&mut self, path: &Path) {
        let depth = path.0.len();
        for found in &mut self.found {
            if found.path.0.len() == depth + 1 && found.path.0.starts_with(&path.0) {
                found.shapeless = true;
            }
        }
    }

    fn array(&mut self, schema: &Value, items: &[Value], path: &Path) {
        let count = items.len() as u64;
        let least = schema.get("minItems").and_then(Value::as_u64);
        let most = schema.get("maxItems").and_then(Value::as_u64);
        if most.is_some_and(|most| count > most) || least.is_some_and(|least| count < least) {
            return self.wrong(
                path,
                true,
                words::wrong_length("entries", count, least, most, path),
            );
        }
        for (index, item) in items.iter().enumerate() {
            self.value(
                schema.get("items").unwrap_or(&Value::Null),
                item,
                &path.index(index),
            );
        }
        match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
            Some("set") => self.unique(items.iter().map(Some), |index| path.index(index)),
            Some("map") => {
                let key = schema
                    .pointer("/x-kubernetes-list-map-keys/0")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                self.unique(items.iter().map(|item| item.get(key)), |index| {
                    path.index(index).field(key)
                });
            }
            _ => {}
        }
    }

    fn unique<'a>(&mut self, keys: impl Iterator<Item = Option<&'a Value>>, place: impl Fn(usize) -> Path) {
        let mut seen: HashMap<String, usize> = HashMap::new();
        for (index, key) in keys.enumerate() {
            let Some(key) = key else { continue };
            match seen.get(&key.to_string()) {
                Some(first) => self.wrong(&place(index), false, words::twice(key, *first, &place(index))),
                None => {
                    seen.insert(key.to_string(), index);
                }
            }
        }
    }

    fn string(&mut self, schema: &Value, text: &str, path: &Path) {
        let count = text.chars().count() as u64;
        let least = schema.get("minLength").and_then(Value::as_u64);
        let most = schema.get("maxLength").and_then(Value::as_u64);
        if most.is_some_and(|most| count > most) || least.is_some_and(|least| count < least) {
            return self.wrong(
                path,
                false,
                words::wrong_length("characters", count, least, most, path),
            );
        }
        if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
            && !compiled(pattern).is_some_and(|regex| regex.is_match(text))
        {
            self.wrong(path, false, words::no_match(schema, pattern, text, path));
        }
        let malformed = match schema.get("format").and_then(Value::as_str) {
            Some("byte") => serde_json::from_value::<k8s_openapi::ByteString>(text.into())
                .err()
                .map(|_| "base64"),
            Some("date-time") => {
                serde_json::from_value::<k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>(text.into())
                    .err()
                    .map(|_| "a time as RFC 3339 writes it (2026-01-31T12:00:00Z)")
            }
            _ => None,
        };
        if let Some(expected) = malformed {
            self.wrong(path, false, Problem::new(path, format!("is not {expected}")));
        }
    }
}

fn has_type(schema: &Value, value: &Value) -> bool {
    if schema.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
        return value.is_string() || value.is_i64() || value.is_u64();
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => match schema.get("format").and_then(Value::as_str) {
            Some("int32") => {
                value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()) || bounded(schema, value)
            }
            _ => value.is_i64(),
        },
        Some("number") => value.is_number(),
        _ => true,
    }
}

/// Whether the schema's own bounds will say it better than the type would.
fn bounded(schema: &Value, value: &Value) -> bool {
    (value.is_i64() || value.is_u64()) && schema.get("maximum").is_some() && schema.get("minimum").is_some()
}

/// The schema's patterns are few and used again for every entry of every list.
fn compiled(pattern: &str) -> Option<Arc<Regex>> {
    static PATTERNS: LazyLock<Mutex<HashMap<String, Arc<Regex>>>> = LazyLock::new(Mutex::default);
    let mut patterns = PATTERNS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(regex) = patterns.get(pattern) {
        return Some(regex.clone());
    }
    let regex = Arc::new(Regex::new(pattern).ok()?);
    patterns.insert(pattern.to_owned(), regex.clone());
    Some(regex)
}
