//! A manifest file: one or more YAML documents, each a WasmService, a Secret or a ConfigMap. Reading the file is the
//! caller's.

mod yaml;

use std::fmt;
use std::sync::OnceLock;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::pod::unreadable;
use crate::problem::{Path, Problem};
use crate::validate::{self, closest};
use crate::{API_VERSION, KIND, WasmService, schema};

/// The largest manifest that is read, in bytes.
pub const MOST_BYTES: usize = 1 << 20;

/// A document of a manifest, checked and with its defaults filled in.
#[derive(Clone, PartialEq)]
pub enum Document {
    /// A service.
    Service(Box<WasmService>),
    /// What `secretKeyRef` reads from.
    Secret(Box<Secret>),
    /// What `configMapKeyRef` reads from.
    ConfigMap(Box<ConfigMap>),
}

/// Without what is in a Secret.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(it) => f.debug_tuple("Service").field(it).finish(),
            Self::Secret(it) => f.debug_tuple("Secret").field(&it.metadata.name).finish(),
            Self::ConfigMap(it) => f.debug_tuple("ConfigMap").field(it).finish(),
        }
    }
}

/// Reads a value that stands somewhere else than in a file, an annotation say; `field` is what a problem calls it.
pub(crate) fn value(text: &str, field: &str) -> Result<Value, Problem> {
    if text.len() > MOST_BYTES {
        let message = format!("has {} bytes; at most {MOST_BYTES} are read", text.len());
        return Err(unreadable(field, message));
    }
    let nodes = yaml::documents(text).map_err(|error| {
        let place = error
            .place
            .map(|place| format!("line {}, column {}: ", place.line, place.column));
        unreadable(field, format!("{}{}", place.unwrap_or_default(), error.message))
    })?;
    match nodes.as_slice() {
        [node] => Ok(node.value()),
        nodes => Err(unreadable(
            field,
            format!("holds {} documents; write one value", nodes.len()),
        )),
    }
}

/// Reads a manifest. `source_name` is what problems call it: the path of the file as the user wrote it. All problems
/// of all documents are returned, each with its line.
pub fn parse(text: &str, source_name: &str) -> Result<Vec<Document>, Vec<Problem>> {
    let whole = |message: String| vec![Problem::new(&Path::default(), message).at(source_name)];
    if text.len() > MOST_BYTES {
        return Err(whole(format!(
            "the manifest has {} bytes; at most {MOST_BYTES} are read: split it into several files",
            text.len()
        )));
    }
    let nodes = yaml::documents(text).map_err(|error| {
        let at = match error.place {
            Some(place) => format!("{source_name}:{}:{}", place.line, place.column),
            None => source_name.to_owned(),
        };
        vec![Problem::new(&Path::default(), error.message).at(at)]
    })?;
    if nodes.is_empty() {
        return Err(whole(
            "the manifest is empty: write at least one document of kind WasmService".to_owned(),
        ));
    }
    let mut documents = Vec::new();
    let mut problems = Vec::new();
    let mut names: Vec<(String, String, yaml::Place)> = Vec::new();
    for node in nodes {
        let locate = |problem: Problem, path: &Path| {
            let place = node.place(path);
            problem.at(format!("{source_name}:{}:{}", place.line, place.column))
        };
        match document(&node) {
            Ok((kind, name, document)) => {
                match names.iter().find(|(other, of, _)| *other == kind && *of == name) {
                    Some((_, _, first)) => {
                        let path = Path::default().field("metadata").field("name");
                        let problem = Problem::new(
                            &path,
                            format!("is {name:?}, as that of the {kind} at line {}", first.line),
                        )
                        .hint("rename or remove one of the two");
                        problems.push(locate(problem, &path));
                    }
                    None => names.push((kind, name, node.at)),
                }
                documents.push(document);
            }
            Err(mut found) => {
                // Structure is checked before rules are; a person reads from top to bottom.
                found.sort_by_key(|problem| node.place(&Path::parse(&problem.field)));
                for problem in found {
                    let path = Path::parse(&problem.field);
                    problems.push(locate(problem, &path));
                }
            }
        }
    }
    if problems.is_empty() {
        Ok(documents)
    } else {
        Err(problems)
    }
}

/// The documents of a manifest as they were written: what server-side apply is sent, since who sends defaults owns them. In the
/// order of [`parse`], which says whether they are right.
pub fn written(text: &str) -> Vec<Value> {
    if text.len() > MOST_BYTES {
        return Vec::new();
    }
    let nodes = yaml::documents(text).unwrap_or_default();
    nodes.iter().map(yaml::Node::value).collect()
}

/// One document, with its kind and its name.
fn document(node: &yaml::Node) -> Result<(String, String, Document), Vec<Problem>> {
    let root = Path::default();
    let value = node.value();
    if !value.is_object() {
        return Err(vec![
            Problem::new(&root, "is no object")
                .hint("a document starts with apiVersion, kind, metadata and spec"),
        ]);
    }
    let field = |name: &str| {
        value
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let (api_version, kind) = (field("apiVersion"), field("kind"));
    let document = match (api_version.as_str(), kind.as_str()) {
        (_, KIND) => Document::Service(Box::new(validate::wasm_service(value.clone())?)),
        ("v1", "Secret") => {
            let secret = object(secret_schema(), value.clone());
            Document::Secret(Box::new(
                secret.map_err(|found| found.into_iter().map(unspoken).collect::<Vec<_>>())?,
            ))
        }
        ("v1", "ConfigMap") => Document::ConfigMap(Box::new(object(config_map_schema(), value.clone())?)),
        (_, "Secret" | "ConfigMap") => {
            let path = root.field("apiVersion");
            let problem = match value.get("apiVersion") {
                None => Problem::new(&path, "is missing"),
                Some(_) => Problem::new(&path, format!("is {api_version:?}")),
            };
            return Err(vec![problem.hint(format!("a {kind} has apiVersion: v1"))]);
        }
        _ => {
            let path = root.field("kind");
            let problem = match value.get("kind") {
                None => Problem::new(&path, "is missing"),
                Some(_) => Problem::new(
                    &path,
                    format!("is {kind:?}, which is no kind that a manifest may hold"),
                ),
            };
            let kinds = ["WasmService", "Secret", "ConfigMap"];
            let hint = match closest(&kind, kinds) {
                Some(meant) => format!("did you mean {meant}?"),
                None => format!("the kinds are WasmService ({API_VERSION}), Secret and ConfigMap (v1)"),
            };
            return Err(vec![problem.hint(hint)]);
        }
    };
    let name = value
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    Ok((kind, name, document))
}

/// One of Kubernetes' own objects, checked by the schema of its type.
fn object<T: DeserializeOwned>(schema: &Value, mut value: Value) -> Result<T, Vec<Problem>> {
    let problems = validate::check(schema, &mut value);
    if !problems.is_empty() {
        return Err(problems);
    }
    serde_json::from_value(value).map_err(|error| vec![validate::unreadable(&error)])
}

/// Problems end up on terminals and in logs of CI: what a Secret holds is not repeated in them.
fn unspoken(mut problem: Problem) -> Problem {
    if problem.field.starts_with("data") || problem.field.starts_with("stringData") {
        problem.message = "has to be a text (the value is not shown)".to_owned();
        problem.hint =
            Some("write it in quotes; under data it is base64, under stringData as it is".to_owned());
    }
    problem
}

fn secret_schema() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| named(schema::of::<Secret>()))
}

fn config_map_schema() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| named(schema::of::<ConfigMap>()))
}

/// An object that has to have a name.
fn named(mut schema: Value) -> Value {
    schema["properties"]["metadata"] = schema::metadata();
    schema["required"] = json!(["metadata"]);
    schema
}
