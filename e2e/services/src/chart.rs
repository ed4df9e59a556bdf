//! The chart as files, and an earlier one made of it.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A field that the earlier chart's definition does not have: its parent in the schema, and its name.
pub const NEW_FIELD: (&str, &str) = ("/properties/spec/properties/scaling/properties", "maxReplicas");

/// The chart of this checkout.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts/shoal")
}

/// The chart as its last version could have been: its definition knows a field less, and its version is lower.
pub fn earlier() -> TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    copy_folder(&folder(), copy.path());
    let file = copy.path().join("Chart.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let version = text.lines().find(|line| line.starts_with("version: ")).unwrap();
    fs::write(&file, text.replace(version, "version: 0.0.1")).unwrap();

    let file = copy.path().join("files/crds/wasmservices.shoal.dev.yaml");
    let mut crd: Value = serde_saphyr::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let schema = &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let (parent, name) = NEW_FIELD;
    let fields = schema.pointer_mut(parent).and_then(Value::as_object_mut);
    fields.and_then(|fields| fields.remove(name)).expect("the field");
    // Rules that speak of it could not be compiled.
    forget(schema, name);
    fs::write(&file, crd.to_string()).unwrap();
    copy
}

/// Removes all rules that name a field.
fn forget(schema: &mut Value, name: &str) {
    if let Some(rules) = schema["x-kubernetes-validations"].as_array_mut() {
        rules.retain(|rule| !rule["rule"].as_str().is_some_and(|rule| rule.contains(name)));
    }
    match schema {
        Value::Object(map) => {
            map.retain(|key, value| key != "x-kubernetes-validations" || value != &Value::Null);
            map.values_mut().for_each(|below| {
                if below.is_object() || below.is_array() {
                    forget_below(below, name);
                }
            });
        }
        _ => forget_below(schema, name),
    }
}

fn forget_below(value: &mut Value, name: &str) {
    match value {
        Value::Object(_) => forget(value, name),
        Value::Array(items) => items.iter_mut().for_each(|item| forget_below(item, name)),
        _ => {}
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => fs::copy(entry.path(), target).map(drop).unwrap(),
        }
    }
}
