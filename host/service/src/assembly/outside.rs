//! The second seam: how a service reaches anything outside of its instances. On a laptop directly, on a node through the daemon. What it
//! may reach is decided by its grants, before anything is asked here.

use crate::ServiceError;
use async_trait::async_trait;
use shoal_api::{Component, Problem, Store};
use shoal_capability::{Dialer, LogSink, Mount, Neighbours};
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

/// The outside of one service, or of one pod. It is kept for as long as the service is: what it has made for the service goes with it.
/// `place` is a component's place in its manifest.
#[async_trait]
pub trait Outside: Send + Sync {
    /// Whose the stores are.
    fn owner(&self) -> Owner;

    /// What of the manifest it could not make ready.
    fn problems(&self) -> Vec<Problem> {
        Vec::new()
    }

    /// Who resolves names and connects for a component. Components that have the same one share connections to Redis.
    fn dialer(&self, place: usize) -> Arc<dyn Dialer>;

    /// The services that components find by name without a connection. None where every name is looked up.
    fn neighbours(&self) -> Option<Arc<dyn Neighbours>> {
        None
    }

    /// Where a component's standard output and error go.
    fn output(&self, place: usize, component: &Component) -> Output;

    /// The folders that a component is granted.
    ///
    /// # Errors
    ///
    /// Where one can't be opened.
    async fn mounts(&self, place: usize, component: &Component) -> Result<Vec<Mount>, ServiceError>;

    /// The file of a persistent store. None where it is open in this process already, or where there is none.
    ///
    /// # Errors
    ///
    /// Where it can't be opened.
    async fn store_file(&self, store: &Store) -> Result<Option<StoreFile>, ServiceError>;
}

/// Whose stores are whose: stores of the same owner and name are the same store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// A name that no other owner in this process has.
    pub name: String,
    /// Whether a store in memory is kept until the process ends, and not only for as long as a service has it.
    pub lasting: bool,
}

/// Where output goes.
pub enum Output {
    /// Into a log, line by line, no faster than the component's limit allows.
    Log(Arc<dyn LogSink>),
    /// Where that of this process goes.
    Inherited,
}

/// The file of a store.
pub enum StoreFile {
    /// Its path. Everyone who names the same path has the same store.
    Named(PathBuf),
    /// Open for reading and writing.
    Opened(File),
}
