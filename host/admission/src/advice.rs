//! What to write, and where, so that an import is provided: in a WasmService, or in a pod's annotations.

use shoal_api::pod;
use std::fmt;

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
}

/// A grant, with placeholders in capitals for what only the author of the manifest knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The field of `capabilities`.
    pub field: &'static str,
    /// Its value, as YAML.
    pub value: &'static str,
    /// The stores of the service that it refers to, as YAML.
    pub stores: Option<&'static str>,
}

impl Grant {
    pub(crate) const fn of(field: &'static str, value: &'static str) -> Self {
        Self {
            field,
            value,
            stores: None,
        }
    }
}

/// The entry of `links` by which another component provides an import, as YAML.
pub fn link(import: &str) -> String {
    format!("{{import: \"{import}\", component: COMPONENT}}")
}

/// What to write.
#[derive(Clone, Copy)]
pub(crate) enum Advice<'a> {
    Grant(&'a Grant),
    Link { import: &'a str },
}

impl<'a> Advice<'a> {
    /// With the place where it is to be written.
    pub(crate) fn at(self, origin: &'a Origin) -> impl fmt::Display {
        fmt::from_fn(move |f| match self {
            Self::Grant(grant) => {
                let Grant { field, value, stores } = grant;
                match origin {
                    Origin::Manifest(index) => {
                        write!(f, "spec.components[{index}].capabilities.{field}: {value}")?;
                    }
                    Origin::Pod { container, alone } => {
                        annotation(f, pod::CAPABILITIES, (!alone).then_some(container))?;
                        write!(f, "{field}: {value}")?;
                    }
                }
                match (stores, origin) {
                    (None, _) => Ok(()),
                    (Some(stores), Origin::Manifest(_)) => write!(f, " with spec.stores: {stores}"),
                    (Some(stores), Origin::Pod { .. }) => {
                        f.write_str(" with ")?;
                        annotation(f, pod::STORES, None)?;
                        f.write_str(stores)
                    }
                }
            }
            Self::Link { import } => {
                match origin {
                    Origin::Manifest(index) => write!(f, "spec.components[{index}].links: ")?,
                    Origin::Pod { container, .. } => annotation(f, pod::LINKS, Some(container))?,
                }
                write!(f, "[{}]", link(import))
            }
        })
    }
}

fn annotation(f: &mut fmt::Formatter<'_>, key: &str, container: Option<&String>) -> fmt::Result {
    match container {
        Some(container) => write!(f, "metadata.annotations[{key}.{container}]: "),
        None => write!(f, "metadata.annotations[{key}]: "),
    }
}
