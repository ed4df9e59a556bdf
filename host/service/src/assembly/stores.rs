//! A service's stores, each opened once however many components are granted it. What a store does is in `capability`.

use crate::ServiceError;
use crate::assembly::redis::{Clients, STORED};
use crate::assembly::values::Objects;
use crate::assembly::volumes::Volumes;
use crate::code::lock;
use shoal_api::{Component, PersistentStore, Problem, RedisStore, Store, pod};
use shoal_capability::keyvalue::{self, KeyValue, Memory, OpenError, Persistent, Redis, Sizes};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
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
                    let at = format!("spec.stores[{index}].redis");
                    let found = in_redis((&store.name, redis), &at, parts.service, (clients, parts.objects));
                    found.map_err(|problem| problems.push(problem)).ok()
                }
                None => self
                    .open(store, parts)
                    .await
                    .map_err(|source| failed(store, source))?,
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

/// A pod, as far as its stores have to do with it.
pub(crate) struct PodParts<'a> {
    /// Its id.
    pub(crate) pod: &'a str,
    /// The names of namespace and service.
    pub(crate) service: (&'a str, &'a str),
    /// The files of its persistent stores that were not opened yet, by the store's name.
    pub(crate) files: &'a mut BTreeMap<String, File>,
}

/// The stores of the pods of a process, by the pod's id and their names: a container has them for as long as it runs, the others of its
/// pod the same ones.
#[derive(Default)]
pub(crate) struct PodStores(Mutex<HashMap<(String, String), Slot>>);

/// A store's place, held while it is opened: one that takes its time holds up nobody else's.
type Slot = Arc<tokio::sync::Mutex<Weak<dyn KeyValue>>>;

impl PodStores {
    fn slot(&self, pod: &str, store: &str) -> Slot {
        let mut all = lock(&self.0);
        // Whoever opens one, or waits for it, has a handle too.
        all.retain(|_, slot| {
            Arc::strong_count(slot) > 1 || slot.try_lock().is_ok_and(|open| open.strong_count() > 0)
        });
        let slot = all.entry((pod.to_owned(), store.to_owned()));
        let empty = || Arc::new(tokio::sync::Mutex::new(Weak::<Memory>::new() as _));
        Arc::clone(slot.or_insert_with(empty))
    }

    /// These stores of a pod, by name.
    pub(crate) async fn of<'a>(
        &self,
        stores: &'a [Store],
        parts: &mut PodParts<'_>,
        (clients, objects): (&Clients, &Objects),
        problems: &mut Vec<Problem>,
    ) -> Result<BTreeMap<&'a str, Arc<dyn KeyValue>>, ServiceError> {
        let PodParts { pod, service, files } = parts;
        let mut opened = BTreeMap::new();
        for store in stores {
            let slot = self.slot(pod, &store.name);
            let mut open = slot.lock().await;
            let store_or_problem = match (open.upgrade(), &store.redis, files.remove(&store.name)) {
                (Some(known), ..) => Ok(known),
                (None, Some(redis), _) => {
                    let at = format!("metadata.annotations[{}][{}].redis", pod::STORES, store.name);
                    in_redis((&store.name, redis), &at, *service, (clients, objects))
                }
                (None, None, Some(file)) => Ok(of_file(file, store).await?),
                (None, None, None) => Ok(Arc::<Memory>::default() as _),
            };
            match store_or_problem {
                Ok(store_found) => {
                    *open = Arc::downgrade(&store_found);
                    opened.insert(store.name.as_str(), store_found);
                }
                Err(problem) => problems.push(problem),
            }
        }
        Ok(opened)
    }
}

async fn of_file(file: File, store: &Store) -> Result<Arc<dyn KeyValue>, ServiceError> {
    let name = PathBuf::from(format!("the file of store {}", store.name));
    let opening = tokio::task::spawn_blocking(move || Persistent::of_file(file, &name, Sizes::default()));
    match opening.await {
        Ok(Ok(open)) => Ok(Arc::new(open)),
        Ok(Err(error)) => Err(failed(store, error.into())),
        Err(_) => Err(failed(store, StoreError::Cut)),
    }
}

fn failed(store: &Store, source: StoreError) -> ServiceError {
    ServiceError::Store {
        store: store.name.clone(),
        source,
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
    (store, redis): (&str, &RedisStore),
    at: &str,
    (namespace, service): (&str, &str),
    (clients, objects): (&Clients, &Objects),
) -> Result<Arc<dyn KeyValue>, Problem> {
    let client = clients.client(redis.into(), STORED, at, objects)?;
    let own = || format!("{namespace}/{service}/{store}/");
    let prefix = redis.prefix.clone().unwrap_or_else(own);
    Ok(Arc::new(Redis::new(client, prefix, Sizes::default())))
}
