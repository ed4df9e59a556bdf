//! The first seam: where compiled files and their descriptions come from. On a laptop, from the cache and the compiler; in a pod, from
//! the daemon.

use crate::ServiceError;
use async_trait::async_trait;
use shoal_api::Component;
use shoal_artifact::Pin;
use shoal_description::Description;
use std::path::PathBuf;

/// Decides whether a root may run: `places` are those of the components in it, its own first; the description says what it imports and
/// exports.
pub type Admit<'a> = dyn Fn(&[usize], &Description) -> Result<(), ServiceError> + Sync + 'a;

/// Supplies the components of one service.
#[async_trait]
pub trait Supply: Send + Sync {
    /// Fetches all `components` of a service, and compiles those at the places in `roots`, each together with the components that it is
    /// linked to. A supply that compiles calls `admit` for every root before it compiles the first. Roots that are compiled already are
    /// admitted later, before they are linked.
    ///
    /// # Errors
    ///
    /// The first component that can't be fetched, admitted or compiled.
    async fn supply(
        &self,
        components: &[&Component],
        roots: &[usize],
        admit: &Admit<'_>,
    ) -> Result<Supplied, ServiceError>;
}

/// The components of one service.
pub struct Supplied {
    /// The digest of each component's own WebAssembly, in the order of the components: `sha256:…`.
    pub digests: Vec<String>,
    /// The compiled file of each root, in the order of the roots.
    pub roots: Vec<Compiled>,
}

/// A component that is compiled.
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
