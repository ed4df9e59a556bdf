//! Who may call which Service: the NetworkPolicy of a caller depends on the ports and the selector of what it calls.

use crate::cache::Cache;
use crate::scope::Scope;
use crate::users::Users;
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use shoal_api::WasmService;
use shoal_plan::{Destination, ServiceName};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The callers of a scope, by the Service that their grants may name.
#[derive(Debug)]
pub(crate) struct Callees {
    scope: Scope,
    known: Mutex<Users<ServiceName>>,
}

impl Callees {
    pub(crate) fn new(scope: &Scope) -> Arc<Self> {
        Arc::new(Self {
            scope: scope.clone(),
            known: Mutex::default(),
        })
    }

    fn known(&self) -> MutexGuard<'_, Users<ServiceName>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers which Services a WasmService may call; none once it goes.
    pub(crate) fn calls(&self, namespace: &str, name: &str, wanted: &BTreeSet<ServiceName>) {
        let caller = (namespace.to_owned(), name.to_owned());
        self.known().uses(caller, wanted.clone());
    }

    /// Those to look at again since this Service changed, came or went.
    pub(crate) fn callers(&self, service: &Service) -> Vec<ObjectRef<WasmService>> {
        let name = ServiceName {
            namespace: service.namespace().unwrap_or_default(),
            name: service.name_any(),
        };
        let known = self.known();
        let callers = known.of(&name);
        callers
            .map(|(namespace, name)| ObjectRef::new(name).within(namespace))
            .collect()
    }

    /// What is known of these Services.
    pub(crate) fn look(
        &self,
        cache: &Cache,
        wanted: BTreeSet<ServiceName>,
    ) -> BTreeMap<ServiceName, Destination> {
        let state = |name: &ServiceName| {
            if !self.scope.has(&name.namespace) {
                return Destination::Unseen;
            }
            let found = cache
                .services
                .get(&ObjectRef::new(&name.name).within(&name.namespace));
            found.map_or(Destination::Missing, |it| {
                Destination::Service(Box::new((*it).clone()))
            })
        };
        wanted
            .into_iter()
            .map(|name| {
                let state = state(&name);
                (name, state)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn service(namespace: &str, name: &str) -> Service {
        serde_json::from_value(json!({"metadata": {"namespace": namespace, "name": name}})).unwrap()
    }

    fn name(namespace: &str, name: &str) -> ServiceName {
        ServiceName {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn those_that_may_call_a_service_are_looked_at_when_it_changes() {
        let callees = Callees::new(&Scope::All);
        let redis = name("data", "redis");
        let both = BTreeSet::from([redis.clone(), name("shop", "api")]);
        callees.calls("shop", "web", &both);
        callees.calls("shop", "cart", &BTreeSet::from([redis]));
        let callers = |namespace, service_name| {
            let found = callees.callers(&service(namespace, service_name));
            found.into_iter().map(|it| it.name).collect::<BTreeSet<_>>()
        };
        let named = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(callers("data", "redis"), named(&["cart", "web"]));
        assert_eq!(callers("shop", "api"), named(&["web"]));
        assert_eq!(callers("shop", "redis"), named(&[]));
        callees.calls("shop", "web", &BTreeSet::new());
        assert_eq!(callers("data", "redis"), named(&["cart"]));
        assert_eq!(callers("shop", "api"), named(&[]));
        callees.calls("shop", "cart", &BTreeSet::new());
        assert!(callees.known().is_empty());
    }

    #[test]
    fn a_namespace_that_is_not_watched_is_unseen() {
        let cache =
            Cache::of(&[json!({"kind": "Service", "metadata": {"namespace": "shop", "name": "api"}})]);
        let look = |scope: &Scope, namespace, of| {
            let wanted = name(namespace, of);
            let seen = Callees::new(scope).look(&cache, BTreeSet::from([wanted.clone()]));
            seen[&wanted].clone()
        };
        let shop = Scope::Namespace("shop".to_owned());
        assert!(matches!(look(&shop, "shop", "api"), Destination::Service(_)));
        assert_eq!(look(&shop, "shop", "other"), Destination::Missing);
        assert_eq!(look(&shop, "data", "api"), Destination::Unseen);
        assert_eq!(look(&Scope::All, "data", "api"), Destination::Missing);
    }
}
