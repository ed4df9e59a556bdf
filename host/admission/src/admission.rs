//! Whether a component may run with what its manifest grants. Pure: names in, verdict out; nothing is linked here.

use crate::advice::{Grant, NO_NETWORK, Origin};
use crate::interface::{Interface, Name, Unknown};
use crate::unused::unused;
use shoal_api::Component;
use shoal_description::{Description, ItemKind};

/// An import that the component may not have, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// The import, as it stands in the component.
    pub import: String,
    /// Why it is not provided.
    pub reason: Reason,
    /// Where the component's fields are written.
    pub origin: Origin,
}

/// Why an import is not provided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It carries authority that nobody grants.
    NotGranted(Grant),
    /// Shoal knows the interface in other versions only.
    OtherVersion {
        /// Those it knows.
        known: &'static str,
    },
    /// Neither an interface of Shoal nor linked.
    NoSuchInterface,
    /// A bare function, which is neither Shoal's nor in an interface that could be linked.
    NoSuchFunction,
    /// The manifest can grant it, but this version of Shoal does not provide it.
    NotSupportedYet,
}

impl Reason {
    /// Whether a grant is all that is missing.
    pub fn is_not_granted(&self) -> bool {
        matches!(self, Self::NotGranted(_))
    }
}

/// Checks every import of a component against its manifest.
///
/// `imports` are the names as they stand in the component, `origin` is where its fields are written.
///
/// # Errors
///
/// All imports that carry authority and are neither granted nor linked, and all that nobody provides, in the order of the
/// component. Those that the manifest says it never uses are not among them.
pub fn admit<'a>(
    imports: impl IntoIterator<Item = &'a str>,
    component: &Component,
    origin: &Origin,
) -> Result<(), Vec<Denied>> {
    let denied: Vec<_> = imports
        .into_iter()
        .filter(|import| !linked(import, component) && !unused(import, component))
        .filter_map(|import| {
            judge(import, component).map(|reason| Denied {
                import: import.to_owned(),
                reason,
                origin: origin.clone(),
            })
        })
        .collect();
    if denied.is_empty() { Ok(()) } else { Err(denied) }
}

/// A component that may not run, in one that is several components.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inadmissible {
    /// Its place among the parts; 0 is the root.
    pub part: usize,
    /// The imports that it may not have.
    pub denied: Vec<Denied>,
}

/// Checks every component that is in a described one: the root first, then the others in the order of their places, each with the place
/// where its fields are written. Each may have what itself is granted.
///
/// # Errors
///
/// The first that may not run.
pub fn admit_parts(description: &Description, parts: &[(Origin, &Component)]) -> Result<(), Inadmissible> {
    for (part, (origin, component)) in parts.iter().enumerate() {
        // Nobody can provide types, and nobody needs to.
        let imports = description
            .imports_of_parts(parts.len())
            .filter(|import| import.part == part && import.kind != ItemKind::Types);
        admit(imports.map(|import| import.interface), component, origin)
            .map_err(|denied| Inadmissible { part, denied })?;
    }
    Ok(())
}

/// Whether a link provides the import. A link may leave the version out.
pub(crate) fn linked(import: &str, component: &Component) -> bool {
    let without_version = import.split_once('@').map_or(import, |(path, _)| path);
    component
        .links
        .iter()
        .any(|link| link.import == import || link.import == without_version)
}

fn judge(import: &str, component: &Component) -> Option<Reason> {
    let granted = &component.capabilities;
    let missing = |field, value| Some(Reason::NotGranted(Grant::of(field, value)));
    let network = |value| {
        Some(Reason::NotGranted(Grant {
            least: Some(NO_NETWORK),
            ..Grant::of("network", value)
        }))
    };
    match Interface::of(import) {
        // Configuration is as variables are: what was not given is not there.
        Ok(Interface::Ambient(..) | Interface::HttpTypes(_) | Interface::Logging | Interface::Config) => None,
        Ok(Interface::HttpClient(_) | Interface::Sockets(..)) if granted.network.is_some() => None,
        Ok(Interface::HttpClient(_)) => network("{outbound: [{host: HOST, ports: [443]}]}"),
        Ok(Interface::Sockets(..)) => network("{outbound: [{host: HOST, ports: [PORT]}]}"),
        Ok(Interface::KeyValue(..)) if !granted.key_value.is_empty() => None,
        Ok(Interface::KvStore) if granted.key_value.iter().any(|grant| grant.name == "default") => None,
        Ok(Interface::KeyValue(..) | Interface::KvStore) => Some(Reason::NotGranted(Grant {
            stores: Some("[{name: STORE, memory: {}}]"),
            ..Grant::of("keyValue", "[{name: default, store: STORE}]")
        })),
        Ok(Interface::Secrets) if !granted.secrets.is_empty() => None,
        Ok(Interface::Secrets) => missing(
            "secrets",
            "[{name: NAME, secretKeyRef: {name: SECRET, key: KEY}}]",
        ),
        Ok(Interface::Messaging) if !granted.messaging.is_empty() => None,
        Ok(Interface::Messaging) => missing("messaging", "[{channel: CHANNEL, redis: {url: URL}}]"),
        Ok(Interface::WasiMessaging) => Some(Reason::NotSupportedYet),
        Err(Unknown::Version(known)) => Some(Reason::OtherVersion { known }),
        Err(Unknown::Interface) if Name::parse(import).is_some() => Some(Reason::NoSuchInterface),
        Err(Unknown::Interface) => Some(Reason::NoSuchFunction),
    }
}

#[cfg(test)]
mod tests;
