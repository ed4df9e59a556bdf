//! What the schema holds for the cluster or for later and `shoal up` does not run yet. It is refused, never ignored.

use k8s_openapi::api::core::v1::{EnvVarSource, Volume};
use serde_json::Value;

use crate::WasmService;
use crate::problem::{Path, Problem};

/// Every field of a valid service that this version does not run on a laptop, in the order of the spec. Empty: all of it runs.
pub fn unsupported(service: &WasmService) -> Vec<Problem> {
    let mut found = unsupported_variables(service);
    let volumes = Path::default().field("spec").field("volumes");
    for (index, entry) in service.spec.volumes.iter().enumerate() {
        volume(entry, &volumes.index(index), &mut found);
    }
    found
}

/// The same of variables alone. On a cluster volumes are kubelet's.
pub fn unsupported_variables(service: &WasmService) -> Vec<Problem> {
    let mut found = Vec::new();
    let spec = Path::default().field("spec");
    for (index, component) in service.spec.components.iter().enumerate() {
        let path = spec.field("components").index(index);
        for (index, variable) in component.env.iter().enumerate() {
            let path = path.field("env").index(index).field("valueFrom");
            found.extend(
                variable
                    .value_from
                    .as_ref()
                    .and_then(|source| env_source(source, &path)),
            );
        }
    }
    found
}

fn later(path: &Path, what: &str) -> Problem {
    Problem::new(path, format!("{what}: not supported yet"))
}

fn env_source(source: &EnvVarSource, path: &Path) -> Option<Problem> {
    other_fields(source, &["configMapKeyRef", "secretKeyRef"])
        .into_iter()
        .next()
        .map(|field| {
            later(
                &path.field(&field),
                &format!("{field} of an environment variable"),
            )
            .hint("configMapKeyRef and secretKeyRef are what runs today")
        })
}

fn volume(entry: &Volume, path: &Path, found: &mut Vec<Problem>) {
    for field in other_fields(entry, &["name", "configMap", "emptyDir", "hostPath", "secret"]) {
        found.push(
            later(&path.field(&field), &format!("a {field} volume"))
                .hint("configMap, emptyDir, hostPath and secret are what runs today"),
        );
    }
    if entry
        .empty_dir
        .as_ref()
        .is_some_and(|directory| directory.size_limit.is_some())
    {
        found.push(later(
            &path.field("emptyDir").field("sizeLimit"),
            "a limit on a directory's size",
        ));
    }
}

/// The fields that are set, but for those named.
fn other_fields(value: &impl serde::Serialize, known: &[&str]) -> Vec<String> {
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => map
            .into_iter()
            .map(|(name, _)| name)
            .filter(|name| !known.contains(&name.as_str()))
            .collect(),
        _ => Vec::new(),
    }
}
