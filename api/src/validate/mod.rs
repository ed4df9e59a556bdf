//! Validation on the laptop, by the CRD's own schema: what the API server would refuse is refused here, in the same
//! words but at once and with the exact field. No rule about WasmService is written in this module.

mod blame;
mod defaults;
mod functions;
mod rules;
mod suggest;
mod walk;
mod words;

use std::sync::OnceLock;

use serde_json::Value;

use crate::problem::{Path, Problem};
use crate::{API_VERSION, KIND, WasmService, crd, schema};

pub(crate) use suggest::closest;

/// More problems than a person would read; the rest is left out.
const MOST_PROBLEMS: usize = 100;

/// Checks a document that claims to be a WasmService, fills in the schema's defaults and reads it. All problems are
/// returned, not the first alone.
pub fn wasm_service(document: Value) -> Result<WasmService, Vec<Problem>> {
    let mut document = document;
    let mut problems = Vec::new();
    let root = Path::default();
    for (field, expected) in [("apiVersion", API_VERSION), ("kind", KIND)] {
        match document.get(field).and_then(Value::as_str) {
            Some(found) if found == expected => {}
            Some(found) => problems.push(Problem::new(
                &root.field(field),
                format!("is {found:?}; a service has {field}: {expected}"),
            )),
            None => problems.push(Problem::new(
                &root.field(field),
                format!("is missing; write {field}: {expected}"),
            )),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let report = check(service_schema(), &mut document);
    if !report.is_empty() {
        return Err(report);
    }
    serde_json::from_value(document).map_err(|error| vec![unreadable(&error)])
}

/// The CRD's schema, with what the API server adds to it and a CRD may not say: the fields that every object has.
fn service_schema() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let mut whole = crd::schema().clone();
        // The rule on the name asks for more than what every object's name has to be.
        if let Some(name) = whole["properties"]["metadata"]["properties"]["name"].as_object_mut() {
            name.remove("pattern");
        }
        for field in ["apiVersion", "kind"] {
            whole["properties"][field] = serde_json::json!({"type": "string"});
        }
        whole["properties"]["metadata"] = schema::metadata();
        // The rule on the name asks for more than what every object's name has to be.
        if let Some(name) = whole["properties"]["metadata"]["properties"]["name"].as_object_mut() {
            name.remove("pattern");
        }
        for field in ["apiVersion", "kind"] {
            whole["properties"][field] = serde_json::json!({"type": "string"});
        }
        // The one rule about the document as a whole; a CRD's rule may name no field of the metadata.
        whole["x-kubernetes-validations"][0]["fieldPath"] = ".metadata.name".into();
        whole["required"] = serde_json::json!(["metadata", "spec"]);
        whole
    })
}

/// Checks a document by a structural schema and its rules, and fills in the defaults.
pub(crate) fn check(schema: &Value, document: &mut Value) -> Vec<Problem> {
    defaults::apply(schema, document);
    let mut walk = walk::Walk::default();
    walk.value(schema, document, &Path::default());
    let mut problems = walk.finish();
    rules::evaluate(schema, document, &mut problems);
    problems
        .into_iter()
        .map(|found| found.problem)
        .take(MOST_PROBLEMS)
        .collect()
}

/// What the types refuse although the schema admits it. There should be no such thing; if there is, it is still named.
pub(crate) fn unreadable(error: &serde_json::Error) -> Problem {
    Problem::new(&Path::default(), format!("could not be read: {error}"))
}

#[cfg(test)]
mod tests;
