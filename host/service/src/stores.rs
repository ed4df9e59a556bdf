//! A service's stores, each opened once however many components are granted it. What a store does is in `capability`.

use crate::ServiceError;
use crate::machine::lock;
use crate::redis::{Clients, Server};
use crate::values::Objects;
use crate::volumes::Volumes;
use shoal_api::{Component, PersistentStore, Problem, RedisStore, Store};
use shoal_capability::keyvalue::{self, KeyValue, Memory, OpenError, Persistent, Redis, Sizes};
use shoal_redis::Client;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

/// The stores of all services of a process. They are open for as long as a service that runs has them.
#[derive(Default)]
pub(crate) struct Stores {
    /// By service and name. These outlive a service that is prepared anew.
    memory: Mutex<HashMap<(String, String), Arc<Memory>>>,
    /// By file. A service that is prepared anew while it runs has its file open already.
    persistent: tokio::sync::Mutex<HashMap<PathBuf, Weak<Persistent>>>,
}

/// Why a store can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Its file can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It was not opened to the end.
    #[error("opening it was cut off")]
    Cut,
}

/// What a service's stores are made of.
pub(crate) struct Parts<'a> {
    /// The names of namespace and service.
    pub(crate) service: (&'a str, &'a str),
    pub(crate) volumes: &'a Volumes,
    pub(crate) objects: &'a Objects,
}

impl Stores {
    /// The stores of one service, by name.
    pub(crate) async fn of<'a>(
        &self,
        stores: &'a [Store],
        parts: &Parts<'_>,
        clients: &Clients,
        problems: &mut Vec<Problem>,
    ) -> Result<BTreeMap<&'a str, Arc<dyn KeyValue>>, ServiceError> {
        let mut all = BTreeMap::new();
        for (index, store) in stores.iter().enumerate() {
            let opened = match &store.redis {
                Some(redis) => {
                    let server = Server::of_store(redis);
                    let at = format!("spec.stores[{index}].redis");
                    match clients.client(&server, &at, parts.objects) {
                        Ok(client) => {
                            Some(Arc::new(in_redis(client, redis, &store.name, parts.service)) as _)
                        }
                        Err(problem) => {
                            problems.push(problem);
                            None
                        }
                    }
                }
                None => self
                    .open(store, parts)
                    .await
                    .map_err(|source| ServiceError::Store {
                        store: store.name.clone(),
                        source,
                    })?,
            };
            all.extend(opened.map(|opened| (store.name.as_str(), opened)));
        }
        Ok(all)
    }

    async fn open(&self, store: &Store, parts: &Parts<'_>) -> Result<Option<Arc<dyn KeyValue>>, StoreError> {
        let service = parts.service.1;
        if store.memory.is_some() {
            let key = (service.to_owned(), store.name.clone());
            return Ok(Some(Arc::clone(lock(&self.memory).entry(key).or_default()) as _));
        }
        if let Some(PersistentStore { volume }) = &store.persistent
            && let Some(folder) = parts.volumes.folder(volume)
        {
            // The volume may be one that other services have too.
            let file = folder.join(format!("{service}.{}.redb", store.name));
            return Ok(Some(self.file(&file).await? as _));
        }
        Ok(None)
    }

    async fn file(&self, path: &Path) -> Result<Arc<Persistent>, StoreError> {
        let mut files = self.persistent.lock().await;
        if let Some(open) = files.get(path).and_then(Weak::upgrade) {
            return Ok(open);
        }
        let opening = path.to_owned();
        let opening = tokio::task::spawn_blocking(move || Persistent::open(&opening, Sizes::default()));
        let open = Arc::new(opening.await.map_err(|_| StoreError::Cut)??);
        files.retain(|_, open| open.strong_count() > 0);
        files.insert(path.to_owned(), Arc::downgrade(&open));
        Ok(open)
    }
}

/// The stores of the pods of a process, by the pod's id and their names. A container has them for as long as it runs.
#[derive(Default)]
pub(crate) struct PodStores(Mutex<HashMap<(String, String), Weak<Memory>>>);

impl PodStores {
    /// A store in memory, the same for all containers of the pod.
    pub(crate) fn memory(&self, pod: &str, name: &str) -> Arc<Memory> {
        let mut all = lock(&self.0);
        all.retain(|_, open| open.strong_count() > 0);
        let open = all.entry((pod.to_owned(), name.to_owned())).or_default();
        open.upgrade().unwrap_or_else(|| {
            let made = Arc::default();
            *open = Arc::downgrade(&made);
            made
        })
    }
}

/// What a component is granted of these, by the names that it knows them under.
pub(crate) fn granted(
    component: &Component,
    stores: &BTreeMap<&str, Arc<dyn KeyValue>>,
) -> BTreeMap<String, keyvalue::Store> {
    let grants = component.capabilities.key_value.iter();
    let found = grants.filter_map(|grant| {
        let store = keyvalue::Store {
            store: Arc::clone(stores.get(grant.store.as_str())?),
            read_only: grant.read_only,
        };
        Some((grant.name.clone(), store))
    });
    found.collect()
}

fn in_redis(
    client: Arc<Client>,
    redis: &RedisStore,
    store: &str,
    (namespace, service): (&str, &str),
) -> Redis {
    let own = || format!("{namespace}/{service}/{store}/");
    let prefix = redis.prefix.clone().unwrap_or_else(own);
    Redis::new(client, prefix, Sizes::default())
}
