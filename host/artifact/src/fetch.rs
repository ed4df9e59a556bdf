//! `Cache::fetch`: whatever the source, the same promises on time, sharing and what is left behind.

use std::sync::Arc;

use crate::digest::Hasher;
use crate::error::IoContext;
use crate::format::Format;
use crate::options::CredentialSource;
use crate::progress::{Running, Step};
use crate::{
    Artifact, ArtifactError, Cache, FetchOptions, Progress, Reference, Source, Transport, ingest, layout,
    pull,
};

impl Cache {
    /// Brings the WebAssembly of `source` into the cache, verified, and says where it lies.
    ///
    /// Several fetches of one reference at the same time do the work once, be it in this process or in several.
    /// After an error, or when the future is dropped, nothing half-written stays.
    ///
    /// # Errors
    ///
    /// [`ArtifactError`] names what was wrong and what to do, within `options.transport.total_timeout`.
    pub async fn fetch(
        &self,
        source: &Source,
        options: &FetchOptions,
        progress: &dyn Progress,
    ) -> Result<Artifact, ArtifactError> {
        let limit = options.max_size;
        match source {
            Source::Reference(reference) => self.fetch_reference(reference, options, progress).await,
            Source::Layout(path) => {
                let _running = Running::start(progress, Step::Pulling, None);
                let (cache, path) = (self.clone(), path.clone());
                blocking(move || layout::ingest(&cache, &path, limit)).await
            }
            Source::File(path) => {
                let metadata = tokio::fs::metadata(path).await.io("find", path)?;
                let running = Running::start(progress, Step::Pulling, Some(metadata.len()));
                let (cache, path) = (self.clone(), path.clone());
                let artifact = blocking(move || {
                    if metadata.is_dir() {
                        return layout::ingest(&cache, &path, limit);
                    }
                    let installed = ingest::file(&cache, &path, limit)?;
                    Ok(installed.artifact(&cache, Format::File, None))
                });
                let artifact = artifact.await?;
                running.advanced(artifact.size);
                Ok(artifact)
            }
        }
    }

    async fn fetch_reference(
        &self,
        reference: &Reference,
        options: &FetchOptions,
        progress: &dyn Progress,
    ) -> Result<Artifact, ArtifactError> {
        let name = flight_name(reference, options);
        let waiting = || Running::start(progress, Step::Waiting, None);
        let flight = async {
            pull::pull(self, reference, options, progress)
                .await
                .map_err(Arc::new)
        };
        let shared = self.inner.fetches.run(name, waiting, flight);
        let after = options.transport.total_timeout;
        match tokio::time::timeout(after, shared).await {
            Ok(result) => result.map_err(unshare),
            Err(_elapsed) => Err(ArtifactError::TimedOut {
                what: format!("image {reference}"),
                after,
            }),
        }
    }
}

/// Only those who ask the same thing in the same name share a result: one tenant's credentials must not open an
/// image to another.
fn flight_name(reference: &Reference, options: &FetchOptions) -> String {
    let FetchOptions {
        policy,
        max_size,
        transport,
    } = options;
    let Transport {
        plain_http,
        credentials,
        ..
    } = transport;
    let mut name = format!("{} {policy:?} {max_size} {plain_http:?} ", reference.whole());
    match credentials {
        CredentialSource::Docker => name.push_str("docker"),
        CredentialSource::Anonymous => name.push_str("anonymous"),
        CredentialSource::File(path) => name.push_str(&format!("file {}", path.display())),
        CredentialSource::Json(json) => {
            // Not the secret itself.
            let mut hasher = Hasher::sha256();
            hasher.update(json);
            name.push_str(hasher.finish().as_str());
        }
        CredentialSource::Login(login) => {
            let mut hasher = Hasher::sha256();
            hasher.update(format!("{}:{}", login.username, login.password).as_bytes());
            name.push_str(hasher.finish().as_str());
        }
    }
    name
}

/// An error that nobody else holds needs no wrapping.
pub(crate) fn unshare(error: Arc<ArtifactError>) -> ArtifactError {
    Arc::try_unwrap(error).unwrap_or_else(ArtifactError::Shared)
}

/// Runs what blocks off the runtime's threads. A panic goes on in the caller.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work)
        .await
        .map_err(tokio::task::JoinError::try_into_panic)
    {
        Ok(done) => done,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // Cancelled: the runtime is being taken down, and us with it.
        Err(Err(_cancelled)) => std::future::pending().await,
    }
}
