//! Whether a component may run with what its manifest grants. Pure: names in, verdict out; nothing is linked here.

use crate::interface::{Interface, Name, Unknown};
use shoal_api::Component;
use shoal_api::pod::NOT_GRANTED;
use std::fmt;

/// An import that the component may not have, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// The import, as it stands in the component.
    pub import: String,
    /// Why it is not provided.
    pub reason: Reason,
}

/// Why an import is not provided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It carries authority that the manifest does not grant.
    NotGranted {
        /// What to write into the manifest.
        line: String,
    },
    /// Shoal knows the interface in other versions only.
    OtherVersion {
        /// Those it knows.
        known: &'static str,
    },
    /// Neither an interface of Shoal nor linked.
    NoSuchInterface {
        /// What to write into the manifest where another component provides it.
        line: String,
    },
    /// The manifest can grant it, but this version of Shoal does not provide it.
    NotSupportedYet,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let import = &self.import;
        match &self.reason {
            Reason::NotGranted { line } => write!(f, "{import} {NOT_GRANTED}{line}"),
            Reason::OtherVersion { known } => {
                write!(
                    f,
                    "{import}: Shoal has this interface in version {known} only; rebuild the component against it"
                )
            }
            Reason::NoSuchInterface { line } => {
                write!(
                    f,
                    "{import}: Shoal has no such interface; if another component exports it: {line}"
                )
            }
            Reason::NotSupportedYet => write!(f, "{import} is not supported yet"),
        }
    }
}

/// Checks every import of a component against its manifest.
///
/// `imports` are the names as they stand in the component, `index` is the component's place in `spec.components`.
///
/// # Errors
///
/// All imports that carry authority and are neither granted nor linked, and all that nobody provides, in the order of the
/// component.
pub fn admit<'a>(
    imports: impl IntoIterator<Item = &'a str>,
    component: &Component,
    index: usize,
) -> Result<(), Vec<Denied>> {
    let denied: Vec<_> = imports
        .into_iter()
        .filter(|import| !linked(import, component))
        .filter_map(|import| {
            judge(import, component, index).map(|reason| Denied {
                import: import.to_owned(),
                reason,
            })
        })
        .collect();
    if denied.is_empty() { Ok(()) } else { Err(denied) }
}

/// Whether a link provides the import. A link may leave the version out.
fn linked(import: &str, component: &Component) -> bool {
    let without_version = import.split_once('@').map_or(import, |(path, _)| path);
    component
        .links
        .iter()
        .any(|link| link.import == import || link.import == without_version)
}

fn judge(import: &str, component: &Component, index: usize) -> Option<Reason> {
    let granted = &component.capabilities;
    let line = |rest: &str| {
        Some(Reason::NotGranted {
            line: format!("spec.components[{index}].capabilities.{rest}"),
        })
    };
    match Interface::of(import) {
        Ok(Interface::Ambient(..) | Interface::HttpTypes(_)) => None,
        Ok(Interface::HttpClient(_) | Interface::Sockets(..)) if granted.network.is_some() => None,
        Ok(Interface::HttpClient(_)) => line("network: {outbound: [{host: HOST, ports: [443]}]}"),
        Ok(Interface::Sockets(..)) => line("network: {outbound: [{host: HOST, ports: [PORT]}]}"),
        Ok(Interface::KeyValue(_)) if !granted.key_value.is_empty() => None,
        Ok(Interface::KvStore) if granted.key_value.iter().any(|grant| grant.name == "default") => None,
        Ok(Interface::KeyValue(_) | Interface::KvStore) => {
            line("keyValue: [{name: default, store: STORE}] with spec.stores: [{name: STORE, memory: {}}]")
        }
        Ok(Interface::Secrets) if !granted.secrets.is_empty() => None,
        Ok(Interface::Secrets) => line("secrets: [{name: NAME, secretKeyRef: {name: SECRET, key: KEY}}]"),
        Ok(Interface::Config) if !granted.config.is_empty() => None,
        Ok(Interface::Config) => line("config: [{name: NAME, value: VALUE}]"),
        Ok(Interface::Messaging) if !granted.messaging.is_empty() => None,
        Ok(Interface::Messaging) => line("messaging: [{channel: CHANNEL, redis: {url: URL}}]"),
        Ok(Interface::WasiMessaging) => Some(Reason::NotSupportedYet),
        Err(Unknown::Version(known)) => Some(Reason::OtherVersion { known }),
        Err(Unknown::Interface) => Some(Reason::NoSuchInterface {
            line: match Name::parse(import) {
                Some(_) => format!(
                    "spec.components[{index}].links: [{{import: \"{import}\", component: COMPONENT}}]"
                ),
                // A bare function belongs to no interface, so nothing can be linked to it.
                None => "move it into an interface, for only interfaces can be linked".to_owned(),
            },
        }),
    }
}

#[cfg(test)]
mod tests;
