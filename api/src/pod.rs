//! A container of a pod as a component: the annotations that a pod may carry, and how they are read. What containerd and kubelet
//! add to them is the shim's business.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::problem::{Path, Problem};
use crate::{API_VERSION, Component, KIND, manifest, validate};

/// A pod's annotation: the capabilities of its components, in the words of a WasmService's `capabilities`, as YAML. With a dot and
/// a container's name behind it, those of one container alone: `shoal.dev/capabilities.web`.
pub const CAPABILITIES: &str = "shoal.dev/capabilities";
/// A pod's annotation: the limits of its components, likewise.
pub const LIMITS: &str = "shoal.dev/limits";
/// A pod's annotation: with whom it may share a process, see [`TrustDomain`].
pub const TRUST_DOMAIN: &str = "shoal.dev/trust-domain";

/// Whose components may run in one process: a second wall beside WebAssembly's own stands between two domains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrustDomain {
    /// All pods of the namespace on this node.
    #[default]
    Namespace,
    /// All pods of the node that say so.
    Node,
    /// The pod alone.
    Pod,
}

/// What a pod says of one of its containers.
#[derive(Clone, Debug, Default)]
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
        Some(other) => Err(Problem {
            source: None,
            field: annotation(TRUST_DOMAIN),
            message: format!("is {other:?}; it is one of namespace, node, pod"),
            hint: None,
        }),
    }
}

/// A container, with what its pod's annotations grant, as the component of a WasmService: the same schema and the same rules.
///
/// # Errors
///
/// Every mistake in the annotations, each with the annotation and the field in it.
pub fn component(
    container: &Container,
    annotations: &BTreeMap<String, String>,
) -> Result<Component, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut read = |key: &str| {
        let own = format!("{key}.{}", container.name);
        let (name, text) = annotations
            .get_key_value(&own)
            .or_else(|| annotations.get_key_value(key))?;
        match manifest::value(text, &annotation(name)) {
            Ok(value) => Some((name.clone(), value)),
            Err(problem) => {
                problems.push(problem);
                None
            }
        }
    };
    let (capabilities, limits) = (read(CAPABILITIES), read(LIMITS));
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut component = Map::new();
    let mut fields = Vec::new();
    for (field, read) in [("capabilities", capabilities), ("limits", limits)] {
        if let Some((name, value)) = read {
            component.insert(field.to_owned(), value);
            fields.push((format!("spec.components[0].{field}"), name));
        }
    }
    component.insert("name".to_owned(), json!(container.name));
    // Whatever the reference, it was pulled: the schema's rules on it are for those who are still to pull.
    component.insert("file".to_owned(), json!("image"));
    let document = json!({
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": { "name": "pod" },
        "spec": { "components": [Value::Object(component)] },
    });
    let service = validate::wasm_service(document).map_err(|problems| renamed(problems, &fields))?;
    let Some(mut component) = service.spec.components.into_iter().next() else {
        return Err(Vec::new());
    };
    component.file = None;
    component.image = Some(container.image.clone());
    component.args.clone_from(&container.args);
    component.env = container.env.iter().map(variable).collect();
    if let Some(memory) = container.memory
        && !fields.iter().any(|(field, _)| field.ends_with(".limits"))
    {
        component.limits.memory = crate::Quantity::from_bytes(memory);
    }
    Ok(component)
}

/// What a component of a WasmService may hold and one of a pod does not yet. It is refused, never ignored.
pub fn unsupported(component: &Component) -> Vec<Problem> {
    let Component {
        links, capabilities, ..
    } = component;
    let by_reference = |grant: &crate::ConfigGrant| grant.value_from.is_some();
    let held = [
        ("links", !links.is_empty(), "links between components"),
        (
            "capabilities.keyValue",
            !capabilities.key_value.is_empty(),
            "key-value stores",
        ),
        (
            "capabilities.filesystem",
            !capabilities.filesystem.is_empty(),
            "volumes",
        ),
        (
            "capabilities.secrets",
            !capabilities.secrets.is_empty(),
            "secrets",
        ),
        (
            "capabilities.messaging",
            !capabilities.messaging.is_empty(),
            "messaging",
        ),
        (
            "capabilities.config",
            capabilities.config.iter().any(by_reference),
            "configuration from other objects",
        ),
    ];
    let problem = |(field, _, what)| unreadable(field, format!("{what}: not supported in a pod yet"));
    held.into_iter()
        .filter(|(_, held, _)| *held)
        .map(problem)
        .collect()
}

fn variable((name, value): &(String, String)) -> k8s_openapi::api::core::v1::EnvVar {
    k8s_openapi::api::core::v1::EnvVar {
        name: name.clone(),
        value: Some(value.clone()),
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
mod tests {
    use super::*;

    fn annotations(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn container() -> Container {
        Container {
            name: "web".to_owned(),
            image: "registry.example:5000/Odd/name@sha256:00".to_owned(),
            args: vec!["serve".to_owned()],
            env: vec![("A".to_owned(), "1".to_owned())],
            memory: Some(32 << 20),
        }
    }

    #[test]
    fn nothing_said_is_nothing_granted() {
        let component = component(&container(), &annotations(&[])).unwrap();
        assert!(component.capabilities.is_empty());
        assert_eq!(component.limits.memory.bytes(), 32 << 20);
        assert_eq!(component.args, ["serve"]);
        assert_eq!(component.env[0].name, "A");
    }

    #[test]
    fn the_containers_own_annotation_goes_before_the_pods() {
        let network = |host: &str| format!("network: {{outbound: [{{host: {host}, ports: [80]}}]}}");
        let (all, own) = (network("a.example"), network("b.example"));
        let said = annotations(&[(CAPABILITIES, &all), ("shoal.dev/capabilities.web", &own)]);
        let granted = component(&container(), &said)
            .unwrap()
            .capabilities
            .network
            .unwrap();
        assert_eq!(granted.outbound[0].host, "b.example");
        let other = Container {
            name: "other".to_owned(),
            ..container()
        };
        let granted = component(&other, &said).unwrap().capabilities.network.unwrap();
        assert_eq!(granted.outbound[0].host, "a.example");
    }

    #[test]
    fn what_needs_other_objects_is_refused() {
        let said = annotations(&[(
            CAPABILITIES,
            "{secrets: [{name: a, secretKeyRef: {name: b, key: c}}], config: [{name: a, value: b}]}",
        )]);
        let component = component(&container(), &said).unwrap();
        let refused: Vec<_> = unsupported(&component).iter().map(ToString::to_string).collect();
        assert_eq!(
            refused,
            ["capabilities.secrets: secrets: not supported in a pod yet"]
        );
    }

    #[test]
    fn limits_are_those_of_a_manifest() {
        let said = annotations(&[(LIMITS, "{memory: 1Mi, cpuTime: 5s}")]);
        let component = component(&container(), &said).unwrap();
        assert_eq!(component.limits.memory.bytes(), 1 << 20);
        assert_eq!(component.limits.cpu_time.as_std().as_secs(), 5);
    }

    #[test]
    fn a_mistake_names_the_annotation_and_the_field() {
        for (key, text, field, words) in [
            (
                CAPABILITIES,
                "network: {outbound: [{ports: [80]}]}",
                "metadata.annotations[shoal.dev/capabilities].network.outbound[0].host",
                "is missing",
            ),
            (
                CAPABILITIES,
                "{",
                "metadata.annotations[shoal.dev/capabilities]",
                "",
            ),
            (
                CAPABILITIES,
                "a: 1\n---\nb: 2",
                "metadata.annotations[shoal.dev/capabilities]",
                "2 documents",
            ),
            (
                LIMITS,
                "memory: lots",
                "metadata.annotations[shoal.dev/limits].memory",
                "lots",
            ),
        ] {
            let problems = component(&container(), &annotations(&[(key, text)])).unwrap_err();
            let problem = &problems[0];
            assert!(problem.field.starts_with(field), "{problem}");
            assert!(problem.to_string().contains(words), "{problem}");
        }
        let problem = trust_domain(&annotations(&[(TRUST_DOMAIN, "cluster")])).unwrap_err();
        assert!(
            problem.to_string().contains("one of namespace, node, pod"),
            "{problem}"
        );
    }
}
