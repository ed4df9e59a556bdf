//! What to write, and where, so that an import is provided: in a WasmService, in a pod's annotations, or on a command line.

use shoal_api::pod;

/// Where a component's fields are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In a WasmService, at this place of `spec.components`.
    Manifest(usize),
    /// In the annotations of a pod.
    Pod {
        /// The component's container.
        container: String,
        /// Whether no other component is linked to it: an annotation for all containers will do.
        alone: bool,
    },
    /// As options of `shoal run`.
    Run,
}

/// A grant, with placeholders in capitals for what only the author of the manifest knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The field of `capabilities`.
    pub field: &'static str,
    /// Its value, as YAML.
    pub value: &'static str,
    /// The value that is enough for a program that imports the interface and never uses it.
    pub least: Option<&'static str>,
    /// The stores of the service that it refers to, as YAML.
    pub stores: Option<&'static str>,
}

impl Grant {
    pub(crate) const fn of(field: &'static str, value: &'static str) -> Self {
        Self {
            field,
            value,
            least: None,
            stores: None,
        }
    }
}

/// The entry of `links` by which another component provides an import, as YAML.
pub fn link(import: &str) -> String {
    format!("{{import: \"{import}\", component: COMPONENT}}")
}

/// The value of `unusedImports`, as YAML.
pub fn unused_list<T: AsRef<str>>(patterns: &[T]) -> String {
    let quoted: Vec<_> = patterns.iter().map(|it| format!("\"{}\"", it.as_ref())).collect();
    format!("[{}]", quoted.join(", "))
}

impl Origin {
    /// Lines that set fields of `capabilities` to these values.
    pub(crate) fn capabilities(&self, fields: &[(&str, &str)]) -> Vec<String> {
        match self {
            Self::Manifest(index) => {
                let line = |(field, value): &(_, _)| {
                    format!("spec.components[{index}].capabilities.{field}: {value}")
                };
                fields.iter().map(line).collect()
            }
            Self::Pod { container, alone } => {
                let key = annotation(pod::CAPABILITIES, (!alone).then_some(container));
                let fields: Vec<_> = fields
                    .iter()
                    .map(|(field, value)| format!("{field}: {value}"))
                    .collect();
                match fields.as_slice() {
                    [] => Vec::new(),
                    [one] => vec![format!("{key}: {one}")],
                    several => vec![format!("{key}: {{{}}}", several.join(", "))],
                }
            }
            Self::Run => fields
                .iter()
                .filter_map(|(field, value)| option(field, value))
                .collect(),
        }
    }

    /// The line that says that these imports are never used.
    pub(crate) fn unused<T: AsRef<str>>(&self, patterns: &[T]) -> String {
        if *self == Self::Run {
            let options = patterns
                .iter()
                .map(|it| format!("--unused-import '{}'", it.as_ref()));
            return options.collect::<Vec<_>>().join(" ");
        }
        self.capabilities(&[("unusedImports", &unused_list(patterns))])
            .concat()
    }

    /// The line that adds stores, as YAML.
    pub(crate) fn stores(&self, stores: &str) -> Option<String> {
        match self {
            Self::Manifest(_) => Some(format!("spec.stores: {stores}")),
            Self::Pod { .. } => Some(format!("{}: {stores}", annotation(pod::STORES, None))),
            Self::Run => None,
        }
    }

    /// The line that links an import to another component.
    pub(crate) fn link(&self, import: &str) -> Option<String> {
        let entry = link(import);
        match self {
            Self::Manifest(index) => Some(format!("spec.components[{index}].links: [{entry}]")),
            Self::Pod { container, .. } => {
                Some(format!("{}: [{entry}]", annotation(pod::LINKS, Some(container))))
            }
            Self::Run => None,
        }
    }
}

/// A grant as an option of `shoal run`, which has some of them.
fn option(field: &str, value: &str) -> Option<String> {
    match (field, value) {
        ("network", NO_NETWORK) => Some("--allow none".to_owned()),
        ("network", _) => Some("--allow HOST:PORT".to_owned()),
        _ => None,
    }
}

/// Connections to nowhere.
pub(crate) const NO_NETWORK: &str = "{outbound: []}";

fn annotation(key: &str, container: Option<&String>) -> String {
    match container {
        Some(container) => format!("metadata.annotations[{key}.{container}]"),
        None => format!("metadata.annotations[{key}]"),
    }
}
