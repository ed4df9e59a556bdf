//! Whose services the operator runs: all namespaces, or some. Each has watches of its own, as Roles allow no others.

use k8s_openapi::NamespaceResourceScope;
use kube::{Api, Client, Resource};

/// All namespaces, or one.
#[derive(Clone, Debug)]
pub(crate) enum Scope {
    All,
    Namespace(String),
}

impl Scope {
    pub(crate) fn of(namespaces: &[String]) -> Vec<Self> {
        let named = namespaces.iter().filter(|it| !it.is_empty());
        let named: Vec<_> = named.cloned().map(Self::Namespace).collect();
        if named.is_empty() { vec![Self::All] } else { named }
    }

    /// Whether its watches see that namespace.
    pub(crate) fn has(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Namespace(own) => own == namespace,
        }
    }

    pub(crate) fn api<K>(&self, client: Client) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        match self {
            Self::All => Api::all(client),
            Self::Namespace(namespace) => Api::namespaced(client, namespace),
        }
    }
}
