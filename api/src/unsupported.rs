//! What the schema holds for the cluster or for later and `shoal up` does not run yet. It is refused, never ignored.

use k8s_openapi::api::core::v1::{EnvVarSource, Volume};
use serde_json::Value;

use crate::problem::{Path, Problem};
use crate::{WasmService, stand_in};

/// Every field of a valid service that this version does not run on a laptop, in the order of the spec. Empty: all of it runs.
pub fn unsupported(service: &WasmService) -> Vec<Problem> {
    let mut found = variables(service, |source, path| {
        env_source(source, path).or_else(|| without_stand_in(source, path))
    });
    let volumes = Path::default().field("spec").field("volumes");
    for (index, entry) in service.spec.volumes.iter().enumerate() {
        volume(entry, &volumes.index(index), &mut found);
    }
    found
}

/// The same of variables alone, for a cluster. There kubelet resolves them, and volumes are kubelet's, too.
pub fn unsupported_variables(service: &WasmService) -> Vec<Problem> {
    variables(service, env_source)
}

fn variables(
    service: &WasmService,
    refused: impl Fn(&EnvVarSource, &Path) -> Option<Problem>,
) -> Vec<Problem> {
    let mut found = Vec::new();
    let spec = Path::default().field("spec");
    for (index, component) in service.spec.components.iter().enumerate() {
        let path = spec.field("components").index(index);
        for (index, variable) in component.env.iter().enumerate() {
            let path = path.field("env").index(index).field("valueFrom");
            let source = variable.value_from.as_ref();
            found.extend(source.and_then(|source| refused(source, &path)));
        }
    }
    found
}

/// Fields of a pod and figures that have no stand-in where there is no pod.
fn without_stand_in(source: &EnvVarSource, path: &Path) -> Option<Problem> {
    if let Some(field) = &source.field_ref
        && !stand_in::is_field(&field.field_path)
    {
        let path = path.field("fieldRef").field("fieldPath");
        let problem = later(&path, &format!("{} of a pod", field.field_path));
        return Some(problem.hint(format!("{} are what runs today", stand_in::FIELDS.join(", "))));
    }
    if let Some(figure) = &source.resource_field_ref
        && !stand_in::RESOURCES.contains(&figure.resource.as_str())
    {
        let path = path.field("resourceFieldRef").field("resource");
        let problem = later(&path, &format!("{} of a container", figure.resource));
        return Some(problem.hint(format!("{} are what runs today", stand_in::RESOURCES.join(", "))));
    }
    None
}

fn later(path: &Path, what: &str) -> Problem {
    Problem::new(path, format!("{what}: not supported yet"))
}

fn env_source(source: &EnvVarSource, path: &Path) -> Option<Problem> {
    const KNOWN: [&str; 4] = ["configMapKeyRef", "fieldRef", "resourceFieldRef", "secretKeyRef"];
    other_fields(source, &KNOWN).into_iter().next().map(|field| {
        later(
            &path.field(&field),
            &format!("{field} of an environment variable"),
        )
        .hint(format!("{} are what runs today", KNOWN.join(", ")))
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
