//! A container of a pod as a component: the annotations that a pod may carry, and how they are read. What containerd and kubelet
//! add to them is the shim's business.

mod carried;
mod start_error;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value, json};

use crate::problem::{Path, Problem};
use crate::{API_VERSION, Component, KIND, Redacted, Store, Trigger, WasmService, manifest, route, validate};

pub use carried::{Values, carried, variable_name};
pub use start_error::{NEVER_RAN, StartError, StartErrorKind};

/// A pod's annotation: the capabilities of its components, in the words of a WasmService's `capabilities`, as YAML. With a dot and
/// a container's name behind it, those of one container alone: `shoal.dev/capabilities.web`.
pub const CAPABILITIES: &str = "shoal.dev/capabilities";
/// A pod's annotation: the limits of its components, likewise.
pub const LIMITS: &str = "shoal.dev/limits";
/// A pod's annotation: with whom it may share a process, see [`TrustDomain`].
pub const TRUST_DOMAIN: &str = "shoal.dev/trust-domain";
/// A pod's annotation: what calls its components, in the words of a WasmService's `triggers`, as YAML. With it, the pod's
/// components answer together, on the port of each; without it, each answers all paths on its own port. A component that a schedule
/// calls is called once, when the pod starts: the point in time is whoever's makes the pod.
pub const TRIGGERS: &str = "shoal.dev/triggers";
/// A pod's annotation: the stores that its components may be granted, in the words of a WasmService's `stores`, as YAML.
pub const STORES: &str = "shoal.dev/stores";
/// A pod's annotation, with a dot and a container's name behind it: which imports of its component others of the pod provide, in the words
/// of a WasmService's `links`, as YAML. They become one component with it; their containers have to be started before.
pub const LINKS: &str = "shoal.dev/links";
/// A pod's annotation: the name of the service that it is a replica of. What replicas share is called by it: keys in Redis, files on
/// volumes, consumer groups.
pub const SERVICE: &str = crate::labels::SERVICE;

/// Where a pod mounts the volume of this name, for the shim: for its stores, and for the directories that its components are granted.
/// Under this path no component sees it.
pub fn volume_path(volume: &str) -> String {
    format!("/shoal/volumes/{volume}")
}

/// Whose components may run in one process: a second wall beside WebAssembly's own stands between two domains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TrustDomain {
    /// All pods of the namespace on this node.
    #[default]
    Namespace,
    /// All pods of the node that say so.
    Node,
    /// The pod alone.
    Pod,
    /// All pods of the namespace on this node that say so, by this name.
    Named(String),
}

/// What a pod says of one of its containers.
#[derive(Clone, Default)]
pub struct Container {
    /// Its name in the pod.
    pub name: String,
    /// The reference of its image.
    pub image: String,
    /// Arguments, without the program's name.
    pub args: Vec<String>,
    /// Variables, all values resolved.
    pub env: Vec<(String, String)>,
    /// `resources.limits.memory` in bytes.
    pub memory: Option<u64>,
}

/// Without the values of its variables: kubelet has filled them in from Secrets.
impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Container")
            .field("name", &self.name)
            .field("image", &self.image)
            .field("args", &self.args)
            .field("env", &Redacted(self.env.iter().map(|(name, _)| name)))
            .field("memory", &self.memory)
            .finish()
    }
}

/// Reads the trust domain from a pod's annotations.
///
/// # Errors
///
/// A [`Problem`] where it is none of the three.
pub fn trust_domain(annotations: &BTreeMap<String, String>) -> Result<TrustDomain, Problem> {
    match annotations.get(TRUST_DOMAIN).map(String::as_str) {
        None | Some("namespace") => Ok(TrustDomain::Namespace),
        Some("node") => Ok(TrustDomain::Node),
        Some("pod") => Ok(TrustDomain::Pod),
        Some(name) if is_label(name) => Ok(TrustDomain::Named(name.to_owned())),
        Some(other) => Err(Problem {
            source: None,
            field: annotation(TRUST_DOMAIN),
            message: format!(
                "is {other:?}; it is namespace, node, pod, or a name of your own: at most 63 lower-case letters, digits and '-'"
            ),
            hint: None,
        }),
    }
}

fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&text.len())
        && text.chars().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// The components that others of the pod have in themselves, by their links. Mistakes in these are told where they are read.
pub fn linked(annotations: &BTreeMap<String, String>) -> BTreeSet<String> {
    let links = annotations
        .iter()
        .filter(|(key, _)| key.strip_prefix(LINKS).is_some_and(|it| it.starts_with('.')));
    let links = links.filter_map(|(key, text)| manifest::value(text, key).ok());
    let named = |links: Value| -> Vec<String> {
        let links = links.as_array().into_iter().flatten();
        links
            .filter_map(|link| Some(link["component"].as_str()?.to_owned()))
            .collect()
    };
    links.flat_map(named).collect()
}

/// What the components of a pod are granted together: it decides in what process they run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Granted {
    /// Directories, to any of them.
    pub directories: bool,
    /// Connections, to any of them.
    pub connections: bool,
}

/// Reads what the components of a pod are granted together. Mistakes are told where each component's own annotation is read.
pub fn granted(annotations: &BTreeMap<String, String>) -> Granted {
    let own = |key: &str| {
        key.strip_prefix(CAPABILITIES)
            .is_some_and(|it| it.is_empty() || it.starts_with('.'))
    };
    let texts = annotations.iter().filter(|(key, _)| own(key));
    let some = |list: &Value| list.as_array().is_some_and(|it| !it.is_empty());
    let mut granted = Granted::default();
    for value in texts.filter_map(|(key, text)| manifest::value(text, key).ok()) {
        granted.directories |= some(&value["filesystem"]);
        granted.connections |= some(&value["network"]["outbound"]);
    }
    granted
}

/// Reads which paths the components of a pod answer; none where its annotations don't say.
///
/// # Errors
///
/// Every mistake in the annotation.
pub fn triggers(annotations: &BTreeMap<String, String>) -> Result<Option<Vec<Trigger>>, Vec<Problem>> {
    let Some(text) = annotations.get(TRIGGERS) else {
        return Ok(None);
    };
    let triggers = manifest::value(text, &annotation(TRIGGERS)).map_err(|problem| vec![problem])?;
    let called = triggers.as_array().into_iter().flatten();
    let called: BTreeSet<_> = called.filter_map(|it| it["component"].as_str()).collect();
    let components: Vec<_> = called
        .iter()
        .map(|name| json!({"name": name, "file": "image"}))
        .collect();
    let components = match components.as_slice() {
        // The schema asks for one; what is wrong with the triggers it says by itself.
        [] => vec![json!({"name": "none", "file": "image"})],
        _ => components,
    };
    let service = validated(json!({ "components": components, "triggers": triggers }));
    let fields = [("spec.triggers".to_owned(), TRIGGERS.to_owned())];
    let service = service.map_err(|problems| renamed(problems, &fields))?;
    let triggers = service.spec.triggers;
    let same = route::conflicts(&triggers);
    if !same.is_empty() {
        return Err(renamed(same, &fields));
    }
    if annotations.contains_key(SERVICE) {
        return Ok(Some(triggers));
    }
    let unnamed = triggers.iter().enumerate().flat_map(|(index, trigger)| {
        let streams = trigger.redis.iter().flat_map(|it| &it.streams).enumerate();
        let unnamed = streams.filter(|(_, stream)| stream.group.is_none());
        unnamed.map(move |(at, _)| {
            let field = format!("{}[{index}].redis.streams[{at}].group", annotation(TRIGGERS));
            unreadable(&field, unnamed_service("consumer group"))
        })
    });
    let problems: Vec<_> = unnamed.collect();
    match problems.is_empty() {
        true => Ok(Some(triggers)),
        false => Err(problems),
    }
}

fn unnamed_service(what: &str) -> String {
    format!(
        "is missing: a {what} is called by the service where a manifest does not name it, and this pod is of none. Name it, or say by \
         the annotation {SERVICE} which service the pod is a replica of"
    )
}

/// A container as a component.
#[derive(Clone, Debug)]
pub struct Program {
    /// The component.
    pub component: Component,
    /// The values that its grants and stores are read from.
    pub values: Values,
    /// The stores that it is granted.
    pub stores: Vec<Store>,
}

/// A container, with what its pod's annotations grant, as the component of a WasmService: the same schema and the same rules.
///
/// # Errors
///
/// Every mistake in the annotations, each with the annotation and the field in it.
pub fn program(
    container: &Container,
    annotations: &BTreeMap<String, String>,
) -> Result<Program, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut read_value = |name: &str, text: &str| match manifest::value(text, &annotation(name)) {
        Ok(value) => Some((name.to_owned(), value)),
        Err(problem) => {
            problems.push(problem);
            None
        }
    };
    let mut read = |key: &str| {
        let own = format!("{key}.{}", container.name);
        let (name, text) = annotations
            .get_key_value(&own)
            .or_else(|| annotations.get_key_value(key))?;
        read_value(name, text)
    };
    let (capabilities, limits, links) = (read(CAPABILITIES), read(LIMITS), read(LINKS));
    let stores = annotations.get(STORES).and_then(|text| read_value(STORES, text));
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut component = Map::new();
    let mut fields = Vec::new();
    let linked = links.iter().flat_map(|(_, links)| links.as_array()).flatten();
    let linked: BTreeSet<_> = linked.filter_map(|link| link["component"].as_str()).collect();
    // Whether they are in the pod, it shows when they are composed.
    let linked = linked.into_iter().filter(|name| *name != container.name);
    let others: Vec<_> = linked
        .map(|name| json!({"name": name, "file": "image"}))
        .collect();
    for (field, read) in [
        ("capabilities", capabilities),
        ("limits", limits),
        ("links", links),
    ] {
        if let Some((name, value)) = read {
            component.insert(field.to_owned(), value);
            fields.push((format!("spec.components[0].{field}"), name));
        }
    }
    component.insert("name".to_owned(), json!(container.name));
    // Whatever the reference, it was pulled: the schema's rules on it are for those who are still to pull.
    component.insert("file".to_owned(), json!("image"));
    let mut spec = Map::new();
    let directories = component.get("capabilities").into_iter();
    let directories = directories.flat_map(|it| it["filesystem"].as_array()).flatten();
    let kept = stores.iter().flat_map(|(_, stores)| stores.as_array()).flatten();
    // Whether the pod has them, it shows when they are opened.
    let volumes = directories.map(|it| &it["volume"]);
    let volumes = volumes.chain(kept.map(|it| &it["persistent"]["volume"]));
    let volumes: BTreeSet<_> = volumes.filter_map(Value::as_str).collect();
    if !volumes.is_empty() {
        let volumes = volumes.iter().map(|name| json!({"name": name, "emptyDir": {}}));
        spec.insert("volumes".to_owned(), volumes.collect());
    }
    if let Some((name, value)) = stores {
        spec.insert("stores".to_owned(), value);
        fields.push(("spec.stores".to_owned(), name));
    }
    let mut components = vec![Value::Object(component)];
    components.extend(others);
    spec.insert("components".to_owned(), Value::Array(components));
    let service = validated(Value::Object(spec));
    let service = service.map_err(|problems| renamed(problems, &fields))?;
    let mut stores = service.spec.stores;
    if !annotations.contains_key(SERVICE) {
        let unnamed = stores.iter().enumerate().filter_map(|(index, store)| {
            let field = match (&store.redis, &store.persistent) {
                (Some(redis), _) if redis.prefix.is_none() => "redis.prefix",
                (_, Some(_)) => "persistent",
                _ => return None,
            };
            let field = format!("{}[{index}].{field}", annotation(STORES));
            Some(unreadable(&field, unnamed_service("store")))
        });
        let problems: Vec<_> = unnamed.collect();
        if !problems.is_empty() {
            return Err(problems);
        }
    }
    let Some(mut component) = service.spec.components.into_iter().next() else {
        return Err(Vec::new());
    };
    stores.retain(|store| component.capabilities.has_store(&store.name));
    let (env, values) = carried::take(&container.env);
    component.file = None;
    component.image = Some(container.image.clone());
    component.args.clone_from(&container.args);
    component.env = env.into_iter().map(variable).collect();
    if let Some(memory) = container.memory
        && !fields.iter().any(|(field, _)| field.ends_with(".limits"))
    {
        component.limits.memory = crate::Quantity::from_bytes(memory);
    }
    Ok(Program {
        component,
        values,
        stores,
    })
}

fn validated(spec: Value) -> Result<WasmService, Vec<Problem>> {
    validate::wasm_service(json!({
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": { "name": "pod" },
        "spec": spec,
    }))
}

/// What a component of a WasmService may hold and one of a pod does not yet. It is refused, never ignored.
pub fn unsupported(component: &Component) -> Vec<Problem> {
    let later = |field: &str, what| unreadable(field, format!("{what}: not supported in a pod yet"));
    let links = component.links.iter().enumerate();
    let services = links.filter(|(_, link)| link.service.is_some());
    services
        .map(|(index, _)| later(&format!("links[{index}].service"), "a link to another service"))
        .collect()
}

fn variable((name, value): (String, String)) -> k8s_openapi::api::core::v1::EnvVar {
    k8s_openapi::api::core::v1::EnvVar {
        name,
        value: Some(value),
        value_from: None,
    }
}

fn annotation(name: &str) -> String {
    format!("metadata.annotations[{name}]")
}

/// Problems speak of the annotation, where their author can find it.
fn renamed(problems: Vec<Problem>, fields: &[(String, String)]) -> Vec<Problem> {
    let rename = |mut problem: Problem| {
        for (field, name) in fields {
            if let Some(rest) = problem.field.strip_prefix(field.as_str()) {
                problem.field = format!("{}{rest}", annotation(name));
                break;
            }
        }
        problem
    };
    problems.into_iter().map(rename).collect()
}

/// A problem with a text that is no manifest.
pub(crate) fn unreadable(field: &str, message: impl Into<String>) -> Problem {
    let mut problem = Problem::new(&Path::default(), message);
    field.clone_into(&mut problem.field);
    problem
}

#[cfg(test)]
mod tests;
