//! The first seam: where a component's compiled file and description come from. On a laptop from the cache and the compiler, in a pod
//! from the daemon.

use crate::ServiceError;
use async_trait::async_trait;
use shoal_api::Component;
use shoal_artifact::Pin;
use shoal_description::Description;
use std::path::PathBuf;

/// Brings the components of one service.
#[async_trait]
pub trait Supply: Send + Sync {
    /// Brings all `components` of a service and compiles those at the places in `roots`, each together with those that it is linked to.
    ///
    /// # Errors
    ///
    /// The first component that can't be brought or compiled.
    async fn supply(&self, components: &[&Component], roots: &[usize]) -> Result<Supplied, ServiceError>;
}

/// The components of one service.
pub struct Supplied {
    /// The digest of each component's own WebAssembly, in the order of the components: `sha256:…`.
    pub digests: Vec<String>,
    /// The compiled file of each root, in the order of the roots.
    pub roots: Vec<Compiled>,
}

/// A component whose native code is here.
#[derive(Clone)]
pub struct Compiled {
    /// The digest of the WebAssembly that it was compiled from: `sha256:…`.
    pub digest: String,
    /// The compiled file.
    pub path: PathBuf,
    /// What the compiler read from it.
    pub description: Description,
    /// The places of the components that are in it, its own first.
    pub places: Vec<usize>,
    /// Keeps the file where it is.
    pub(crate) pin: Pin,
}

impl Compiled {
    /// A compiled file that stays where it is for as long as it is used. It holds the components at `places`.
    pub fn new(path: PathBuf, digest: String, description: Description, places: Vec<usize>) -> Self {
        Self {
            digest,
            path,
            description,
            places,
            pin: Pin::default(),
        }
    }

    pub(crate) fn pinned(self, pin: Pin) -> Self {
        Self { pin, ..self }
    }
}
