//! The stores of a process, each opened once however many components are granted it. What a store does is in `capability`; who owns a
//! store and where its file is, says [`Outside`].

use crate::assembly::outside::{Outside, Owner, StoreFile};
use crate::assembly::redis::{STORED, Servers};
use crate::code::lock;
use crate::{ServiceError, ServiceId};
use shoal_api::{Component, Problem, RedisStore, Store};
use shoal_capability::keyvalue::{self, KeyValue, Memory, OpenError, Persistent, Redis, Sizes};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};

/// The stores in memory and in files, which a service shares with the one that replaces it. Clients of Redis are shared in `redis`.
#[derive(Default)]
pub(crate) struct Stores(Mutex<Table>);

#[derive(Default)]
struct Table {
    slots: HashMap<Key, Slot>,
    /// The number of rows at which those of closed stores are removed.
    purge_at: usize,
}

/// What tells one store from another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Memory {
        owner: String,
        store: String,
    },
    /// A file that the outside has opened.
    File {
        owner: String,
        store: String,
    },
    Path(PathBuf),
}

/// A store's place, held while it is opened: one that takes its time holds up nobody else's.
type Slot = Arc<tokio::sync::Mutex<Open>>;

/// A store that is open for as long as somebody has it.
struct Open {
    store: Weak<dyn KeyValue>,
    /// One that is kept until the process ends.
    _kept: Option<Arc<dyn KeyValue>>,
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

/// Opens the stores that one component may be granted.
pub(crate) struct Opener<'a> {
    pub(crate) stores: &'a Stores,
    pub(crate) service: &'a ServiceId,
    pub(crate) outside: &'a dyn Outside,
    pub(crate) servers: &'a Servers<'a>,
}

impl Opener<'_> {
    /// These stores, by name. `at` says where the one at an index is written.
    pub(crate) async fn open<'a>(
        &self,
        stores: &'a [Store],
        at: impl Fn(usize, &str) -> String,
        problems: &mut Vec<Problem>,
    ) -> Result<BTreeMap<&'a str, Arc<dyn KeyValue>>, ServiceError> {
        let mut all = BTreeMap::new();
        for (index, store) in stores.iter().enumerate() {
            let name = store.name.as_str();
            let opened = match &store.redis {
                Some(redis) => {
                    let at = format!("{}.redis", at(index, name));
                    let found = self.in_redis(name, redis, &at);
                    found.map_err(|problem| problems.push(problem)).ok()
                }
                None if store.memory.is_some() => Some(self.in_memory(name).await),
                None => self.persistent(store).await?,
            };
            all.extend(opened.map(|opened| (name, opened)));
        }
        Ok(all)
    }

    fn in_redis(&self, store: &str, redis: &RedisStore, at: &str) -> Result<Arc<dyn KeyValue>, Problem> {
        let client = self.servers.client(redis.into(), STORED, at)?;
        let own = || format!("{}/{store}/", self.service);
        let prefix = redis.prefix.clone().unwrap_or_else(own);
        Ok(Arc::new(Redis::new(client, prefix, Sizes::default())))
    }

    async fn in_memory(&self, store: &str) -> Arc<dyn KeyValue> {
        let Owner { name, lasting } = self.outside.owner();
        let slot = self.stores.slot(Key::Memory {
            owner: name,
            store: store.to_owned(),
        });
        let mut open = slot.lock().await;
        if let Some(known) = open.store.upgrade() {
            return known;
        }
        let made: Arc<dyn KeyValue> = Arc::<Memory>::default();
        *open = Open {
            store: Arc::downgrade(&made),
            _kept: lasting.then(|| Arc::clone(&made)),
        };
        made
    }

    async fn persistent(&self, store: &Store) -> Result<Option<Arc<dyn KeyValue>>, ServiceError> {
        let file = self.outside.store_file(store).await?;
        let key = match &file {
            Some(StoreFile::Named(path)) => Key::Path(path.clone()),
            Some(StoreFile::Opened(_)) | None => Key::File {
                owner: self.outside.owner().name,
                store: store.name.clone(),
            },
        };
        let slot = self.stores.slot(key);
        let mut open = slot.lock().await;
        // A file has one writer: services with the same file have the same store.
        if let Some(known) = open.store.upgrade() {
            return Ok(Some(known));
        }
        let Some(file) = file else { return Ok(None) };
        let opened: Arc<dyn KeyValue> = Arc::new(opened(file, store).await?);
        open.store = Arc::downgrade(&opened);
        Ok(Some(opened))
    }
}

impl Stores {
    fn slot(&self, key: Key) -> Slot {
        let mut table = lock(&self.0);
        if let Some(slot) = table.slots.get(&key) {
            return Arc::clone(slot);
        }
        if table.slots.len() >= table.purge_at {
            // A caller that opens one, or waits for it, has a handle too.
            table.slots.retain(|_, slot| {
                Arc::strong_count(slot) > 1 || slot.try_lock().is_ok_and(|open| open.store.strong_count() > 0)
            });
            table.purge_at = 2 * table.slots.len() + 16;
        }
        let slot = Slot::new(tokio::sync::Mutex::new(Open {
            store: Weak::<Memory>::new(),
            _kept: None,
        }));
        table.slots.insert(key, Arc::clone(&slot));
        slot
    }
}

async fn opened(file: StoreFile, store: &Store) -> Result<Persistent, ServiceError> {
    let name = PathBuf::from(format!("the file of store {}", store.name));
    let opening = tokio::task::spawn_blocking(move || match file {
        StoreFile::Named(path) => Persistent::open(&path, Sizes::default()),
        StoreFile::Opened(file) => Persistent::of_file(file, &name, Sizes::default()),
    });
    let opened = match opening.await {
        Ok(opened) => opened.map_err(StoreError::from),
        Err(_) => Err(StoreError::Cut),
    };
    opened.map_err(|source| ServiceError::Store {
        store: store.name.clone(),
        source,
    })
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
