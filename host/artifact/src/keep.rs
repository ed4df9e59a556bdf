//! Keeping what is in the cache, and reserving room in it: for callers whose use of a file outlives a call.

use std::path::Path;

use crate::fetch::blocking;
use crate::pins::Pin;
use crate::room::CacheUsage;
use crate::staging::Staging;
use crate::{Artifact, ArtifactError, Cache, Digest};

/// Room in a cache.
pub struct Reserved {
    _staging: Staging,
}

impl Cache {
    /// An artifact that was got from this cache before, pinned again; none where it was removed since.
    ///
    /// # Errors
    ///
    /// What can go wrong with files.
    pub async fn again(&self, artifact: &Artifact) -> Result<Option<Artifact>, ArtifactError> {
        let (cache, mut artifact) = (self.clone(), artifact.clone());
        blocking(move || {
            let pin = cache.inner.pins.pin(&cache.inner.room, &artifact.path)?;
            Ok(pin.map(|pin| {
                artifact.pin = pin;
                artifact
            }))
        })
        .await
    }

    /// Keeps a file of this cache, which an earlier process has named, for as long as the pin lives; none where it is not there. Blocking.
    ///
    /// # Errors
    ///
    /// What can go wrong with files.
    pub fn pin(&self, path: &Path) -> Result<Option<Pin>, ArtifactError> {
        self.inner.pins.pin(&self.inner.room, path)
    }

    /// The same for the artifact with this digest. Blocking.
    ///
    /// # Errors
    ///
    /// What can go wrong with files.
    pub fn pin_artifact(&self, digest: &Digest) -> Result<Option<Pin>, ArtifactError> {
        self.pin(&self.blob(digest))
    }

    /// Remembers an artifact under a key of the caller's, see [`CachedFile::reference`](crate::CachedFile::reference).
    ///
    /// # Errors
    ///
    /// What can go wrong with files.
    pub async fn note(&self, key: &str, artifact: &Artifact) -> Result<(), ArtifactError> {
        let (cache, key, mut artifact) = (self.clone(), key.to_owned(), artifact.clone());
        // A file has none.
        artifact.reference_resolved.get_or_insert_with(|| key.clone());
        blocking(move || cache.remember(&key, &artifact)).await
    }

    /// Reserves room for bytes outside of the cache that belong to it, for as long as the answer lives.
    ///
    /// # Errors
    ///
    /// [`ArtifactError::CacheFull`], and what can go wrong with files.
    pub async fn reserve(&self, bytes: u64) -> Result<Reserved, ArtifactError> {
        let cache = self.clone();
        blocking(move || {
            let staging = cache.staging()?;
            staging.reserve(bytes)?;
            Ok(Reserved { _staging: staging })
        })
        .await
    }

    /// How full the cache is. Blocking.
    ///
    /// # Errors
    ///
    /// What can go wrong with files.
    pub fn usage(&self) -> Result<CacheUsage, ArtifactError> {
        self.inner.room.usage()
    }
}
