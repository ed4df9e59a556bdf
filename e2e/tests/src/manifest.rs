//! Manifests from parts. JSON is YAML, and needs no indentation.

use crate::binaries::guest;
use serde_json::{Value, json};

/// A component that runs a guest, with further fields of a manifest's component.
pub fn component(name: &str, guest_name: &str, fields: Value) -> Value {
    let component = json!({ "name": name, "file": guest(guest_name) });
    merged(component, fields)
}

/// A service whose components answer below a path each, with further fields of its spec. A component with an empty path has no
/// trigger.
pub fn service(name: &str, components: &[(&str, Value)], fields: Value) -> String {
    let triggers: Vec<Value> = components
        .iter()
        .filter(|(path, _)| !path.is_empty())
        .map(|(path, component)| {
            json!({ "name": component["name"], "component": component["name"], "http": { "path": path } })
        })
        .collect();
    let all: Vec<&Value> = components.iter().map(|(_, component)| component).collect();
    let spec = merged(json!({ "components": all, "triggers": triggers }), fields);
    document("shoal.dev/v1alpha1", "WasmService", name, json!({ "spec": spec }))
}

/// A service of one guest that answers everything.
pub fn single(name: &str, guest_name: &str, fields: Value) -> String {
    service(name, &[("/", component("web", guest_name, fields))], json!({}))
}

/// A Secret with text in it.
pub fn secret(name: &str, values: Value) -> String {
    document("v1", "Secret", name, json!({ "stringData": values }))
}

/// A ConfigMap.
pub fn config_map(name: &str, values: Value) -> String {
    document("v1", "ConfigMap", name, json!({ "data": values }))
}

fn document(version: &str, kind: &str, name: &str, fields: Value) -> String {
    let head = json!({ "apiVersion": version, "kind": kind, "metadata": { "name": name } });
    format!("---\n{:#}\n", merged(head, fields))
}

fn merged(mut base: Value, fields: Value) -> Value {
    let (Value::Object(into), Value::Object(from)) = (&mut base, fields) else {
        panic!("both must be objects")
    };
    into.extend(from);
    base
}
