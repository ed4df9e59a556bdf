//! How the components of a pod reach anything: descriptors came with their container, connections are asked of the daemon.

use crate::assembly::volumes::mount;
use crate::{Output, Outside, Owner, ServiceError, StoreFile};
use async_trait::async_trait;
use shoal_api::{Component, Store};
use shoal_capability::{Dialer, Folder, LogSink, Mount};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

/// The outside of a container's component, and of the components in its code.
pub(crate) struct PodOutside {
    /// The pod's id: its containers share its stores.
    pub(crate) pod: String,
    /// Files of stores that were not opened yet, by the store's name.
    pub(crate) files: Mutex<BTreeMap<String, File>>,
    pub(crate) own: Access,
    /// Of the others, in the order of their places from 1 on.
    pub(crate) parts: Vec<Access>,
}

/// What one component reaches things by.
pub(crate) struct Access {
    pub(crate) dialer: Arc<dyn Dialer>,
    pub(crate) logs: Arc<dyn LogSink>,
    /// In the order of its grants.
    pub(crate) directories: Vec<Arc<OwnedFd>>,
}

impl Access {
    pub(crate) fn new(dialer: Arc<dyn Dialer>, logs: Arc<dyn LogSink>, directories: Vec<OwnedFd>) -> Self {
        Self {
            dialer,
            logs,
            directories: directories.into_iter().map(Arc::new).collect(),
        }
    }
}

impl PodOutside {
    fn at(&self, place: usize) -> &Access {
        let part = place.checked_sub(1).and_then(|it| self.parts.get(it));
        part.unwrap_or(&self.own)
    }
}

#[async_trait]
impl Outside for PodOutside {
    fn owner(&self) -> Owner {
        Owner {
            name: self.pod.clone(),
            lasting: false,
        }
    }

    fn dialer(&self, place: usize) -> Arc<dyn Dialer> {
        Arc::clone(&self.at(place).dialer)
    }

    fn output(&self, place: usize, _component: &Component) -> Output {
        Output::Log(Arc::clone(&self.at(place).logs))
    }

    async fn mounts(&self, place: usize, component: &Component) -> Result<Vec<Mount>, ServiceError> {
        let folders = self.at(place).directories.iter();
        let granted = component.capabilities.filesystem.iter().zip(folders);
        Ok(granted
            .map(|(grant, folder)| mount(Folder::Opened(Arc::clone(folder)), grant))
            .collect())
    }

    async fn store_file(&self, store: &Store) -> Result<Option<StoreFile>, ServiceError> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(files.remove(&store.name).map(StoreFile::Opened))
    }
}
