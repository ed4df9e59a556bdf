//! The second seam: how a service reaches anything outside of its instances. On a laptop directly, on a node through the daemon. Its
//! grants decide what it may reach, before anything is asked here.

use crate::ServiceError;
use async_trait::async_trait;
use shoal_api::{Component, Problem, Store};
use shoal_capability::{Dialer, LogSink, Mount, Neighbours};
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

/// The outside of one service, or of one pod. A service keeps its outside, and drops it last: folders that were made for the service are
/// removed with it. `place` is a component's place in its manifest.
#[async_trait]
pub trait Outside: Send + Sync {
    /// The owner of the service's stores.
    fn owner(&self) -> Owner;

    /// What is wrong with the parts of the manifest that it read, such as volumes.
    fn problems(&self) -> Vec<Problem> {
        Vec::new()
    }

    /// Resolves names and connects for a component. Components with the same dialer share connections to Redis.
    fn dialer(&self, place: usize) -> Arc<dyn Dialer>;

    /// The services that components find by name without a connection. None where every name is resolved by the dialer.
    fn neighbours(&self) -> Option<Arc<dyn Neighbours>> {
        None
    }

    /// Where a component's standard output and error go.
    fn output(&self, place: usize, component: &Component) -> Output;

    /// The folders that a component is granted.
    ///
    /// # Errors
    ///
    /// A folder that can't be opened.
    async fn mounts(&self, place: usize, component: &Component) -> Result<Vec<Mount>, ServiceError>;

    /// The file of a persistent store. None where it is open in this process already, or where there is none.
    ///
    /// # Errors
    ///
    /// A file that can't be opened.
    async fn store_file(&self, store: &Store) -> Result<Option<StoreFile>, ServiceError>;
}

/// The owner of stores: stores of the same owner and name are the same store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// A name that no other owner in this process has.
    pub name: String,
    /// Whether its stores in memory are kept until the process ends, and not only for as long as a service uses them.
    pub lasting: bool,
}

/// Where output goes.
pub enum Output {
    /// Into a log, line by line, no faster than the component's limit allows.
    Log(Arc<dyn LogSink>),
    /// To the standard streams of this process.
    Inherited,
}

/// The file of a store.
pub enum StoreFile {
    /// Its path. The same path is the same store.
    Named(PathBuf),
    /// Open for reading and writing.
    Opened(File),
}
