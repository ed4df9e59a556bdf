//! A service's stores, each opened once however many components are granted it. What a store does is in `capability`.

use crate::ServiceError;
use crate::machine::lock;
use crate::volumes::Volumes;
use shoal_api::{PersistentStore, Store};
use shoal_capability::keyvalue::{KeyValue, Memory, OpenError, Persistent, Sizes};
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

impl Stores {
    /// The stores of one service, by name.
    pub(crate) async fn of<'a>(
        &self,
        service: &str,
        stores: &'a [Store],
        volumes: &Volumes,
    ) -> Result<BTreeMap<&'a str, Arc<dyn KeyValue>>, ServiceError> {
        let mut all = BTreeMap::new();
        for store in stores {
            let opened = self.open(service, store, volumes).await;
            let opened = opened.map_err(|source| ServiceError::Store {
                store: store.name.clone(),
                source,
            })?;
            all.extend(opened.map(|opened| (store.name.as_str(), opened)));
        }
        Ok(all)
    }

    /// None for a kind that was refused as not supported.
    async fn open(
        &self,
        service: &str,
        store: &Store,
        volumes: &Volumes,
    ) -> Result<Option<Arc<dyn KeyValue>>, StoreError> {
        if store.memory.is_some() {
            let key = (service.to_owned(), store.name.clone());
            return Ok(Some(Arc::clone(lock(&self.memory).entry(key).or_default()) as _));
        }
        if let Some(PersistentStore { volume }) = &store.persistent
            && let Some(folder) = volumes.folder(volume)
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
