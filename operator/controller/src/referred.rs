//! Secrets and ConfigMaps that services refer to. All of a scope are watched by their metadata alone; what one holds is read when a
//! service needs it, and only a hash of it is kept.

use crate::cache::Touched;
use crate::error::{Error, code};
use crate::scope::Scope;
use crate::users::{User, Users};
use futures::{StreamExt, stream};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shoal_api::WasmService;
use shoal_plan::{Reference, ReferenceKind, Referred};
use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A reference and its namespace.
type Key = (String, Reference);

/// The hashes that are known, and who uses them.
pub(crate) struct ReferredObjects {
    client: Client,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    states: HashMap<Key, (Option<String>, Referred)>,
    users: Users<Key>,
}

impl ReferredObjects {
    pub(crate) fn new(client: Client) -> Arc<Self> {
        Arc::new(Self {
            client,
            known: Mutex::default(),
        })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Services to look at again since something changed that they refer to.
    pub(crate) fn watch(self: &Arc<Self>, client: &Client, scope: &Scope) -> Vec<Touched> {
        vec![
            self.watch_kind::<ConfigMap>(client, scope, ReferenceKind::ConfigMap),
            self.watch_kind::<Secret>(client, scope, ReferenceKind::Secret),
        ]
    }

    fn watch_kind<K>(self: &Arc<Self>, client: &Client, scope: &Scope, kind: ReferenceKind) -> Touched
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + Debug
            + Send
            + 'static,
    {
        let this = Arc::clone(self);
        watcher(
            scope.api::<PartialObjectMeta<K>>(client.clone()),
            watcher::Config::default(),
        )
        .default_backoff()
        .touched_objects()
        .filter_map(|object| std::future::ready(object.ok()))
        .flat_map(move |object| {
            let name = object.name_any();
            let reference = Reference { kind, name };
            let namespace = object.namespace().unwrap_or_default();
            stream::iter(this.changed(&(namespace, reference), object.resource_version()))
        })
        .boxed()
    }

    /// Something was seen at that version: who has to know.
    fn changed(&self, key: &Key, version: Option<String>) -> Vec<ObjectRef<WasmService>> {
        let mut known = self.known();
        let users: Vec<_> = known.users.of(key).cloned().collect();
        if users.is_empty() {
            return Vec::new();
        }
        if known.states.get(key).is_some_and(|(seen, _)| *seen == version) {
            return Vec::new();
        }
        known.states.remove(key);
        let reference = |(namespace, name): User| ObjectRef::new(&name).within(&namespace);
        users.into_iter().map(reference).collect()
    }

    /// Remembers what a service refers to.
    pub(crate) fn uses(&self, namespace: &str, service: &str, wanted: &BTreeSet<Reference>) {
        let user = (namespace.to_owned(), service.to_owned());
        let keys = wanted.iter().map(|it| (namespace.to_owned(), it.clone()));
        let mut known = self.known();
        for unused in known.users.uses(user, keys.collect()) {
            known.states.remove(&unused);
        }
    }

    /// What it holds now.
    pub(crate) async fn state(&self, namespace: &str, reference: &Reference) -> Result<Referred, Error> {
        let key = (namespace.to_owned(), reference.clone());
        if let Some((_, state)) = self.known().states.get(&key) {
            return Ok(state.clone());
        }
        let found = match reference.kind {
            ReferenceKind::ConfigMap => {
                let found = self.read::<ConfigMap>(&key).await?;
                found.map(|it| (it.resource_version(), hash(&json!([it.data, it.binary_data]))))
            }
            ReferenceKind::Secret => {
                let found = self.read::<Secret>(&key).await?;
                found.map(|it| (it.resource_version(), hash(&json!(it.data))))
            }
        };
        let entry = found.map_or((None, Referred::Missing), |(version, hash)| {
            (version, Referred::Hash(hash))
        });
        let state = entry.1.clone();
        self.known().states.insert(key, entry);
        Ok(state)
    }

    async fn read<K>(&self, (namespace, reference): &Key) -> Result<Option<K>, Error>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        match api.get(&reference.name).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if code(&error) == Some(404) => Ok(None),
            Err(error) => Err(Error::api(format!("{:?} {}", reference.kind, reference.name))(
                error,
            )),
        }
    }
}

/// Maps are in the order of their keys, so the same data is the same text.
fn hash(data: &Value) -> String {
    hex::encode(Sha256::digest(data.to_string()))
}
