//! The name of a service among all of a process.

use shoal_api::WasmService;
use std::fmt;

/// The namespace of a service whose manifest names none, as in Kubernetes.
pub(crate) const DEFAULT_NAMESPACE: &str = "default";

/// Namespace and name of a service. No two services of a process share both.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceId {
    /// The namespace. Names of other services are looked up in it.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl ServiceId {
    /// A service by its two names.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// The service that a manifest describes.
    pub fn of_manifest(manifest: &WasmService) -> Self {
        let metadata = &manifest.metadata;
        Self::new(
            metadata.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE),
            metadata.name.as_deref().unwrap_or_default(),
        )
    }

    /// The service that one in this namespace calls `name`.
    pub fn sibling(&self, name: &str) -> Self {
        Self::new(&self.namespace, name)
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
