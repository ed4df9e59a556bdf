//! A reference → a layer's verified bytes in the cache: manifest by manifest, blob by blob. The way requests are
//! made is in `http`; which layer it is, in `format`.

use std::sync::Arc;

use oci_client::Reference;
use oci_client::manifest::{OciImageManifest, OciManifest};
use reqwest::Url;
use tokio::io::AsyncWriteExt;

use crate::format::{self, Layer};
use crate::http::{Access, Registry};
use crate::ingest::Installed;
use crate::options::MAX_MANIFEST_SIZE;
use crate::progress::{Running, Step};
use crate::retry::{Backoff, Failure};
use crate::staging::Staging;
use crate::unpack::Packing;
use crate::{Artifact, ArtifactError, Cache, Digest, FetchOptions, Progress, PullPolicy, fetch, ingest};

const ACCEPT_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json";

/// Where bytes of a layer lie in the staging folder.
pub(crate) const LAYER: &str = "layer";

/// Finds `reference` in the cache as the policy allows, else pulls it.
pub(crate) async fn pull(
    cache: &Cache,
    reference: &Reference,
    options: &FetchOptions,
    progress: &dyn Progress,
) -> Result<Artifact, ArtifactError> {
    let key = reference.whole();
    // What a digest names can't change: the registry has nothing to add.
    let cached_will_do = options.policy != PullPolicy::Always || reference.digest().is_some();
    if cached_will_do && let Some(artifact) = lookup(cache, &key).await? {
        return Ok(artifact);
    }
    if options.policy == PullPolicy::Never {
        return Err(ArtifactError::NotCached { reference: key });
    }
    let _lock = cache.lock(&key).await?;
    // Another process may have pulled it while we waited for the lock.
    if cached_will_do && let Some(artifact) = lookup(cache, &key).await? {
        return Ok(artifact);
    }
    let registry = Registry::open(reference, &options.transport, Access::Pull).await?;
    let Named { digest, manifest, .. } = {
        let _running = Running::start(progress, Step::Resolving, None);
        registry.image_manifest().await?
    };
    let layer = format::choose_layer(&manifest)?;
    let resolved = format!("{}/{}@{digest}", reference.registry(), reference.repository());
    let artifact = match lookup(cache, &resolved).await? {
        // Another tag led to the same bytes, or this one before.
        Some(artifact) => artifact,
        None => {
            let installed = pull_layer(cache, &registry, &layer, options, progress).await?;
            installed.artifact(cache, layer.format, Some(resolved.clone()))
        }
    };
    let (cache, remembered) = (cache.clone(), artifact.clone());
    fetch::blocking(move || {
        cache.remember(&resolved, &remembered)?;
        if key == resolved {
            Ok(())
        } else {
            cache.remember(&key, &remembered)
        }
    })
    .await?;
    Ok(artifact)
}

async fn lookup(cache: &Cache, key: &str) -> Result<Option<Artifact>, ArtifactError> {
    let (cache, key) = (cache.clone(), key.to_owned());
    fetch::blocking(move || cache.lookup(&key)).await
}

/// Brings the WebAssembly of a layer into the cache.
async fn pull_layer(
    cache: &Cache,
    registry: &Registry<'_>,
    layer: &Layer,
    options: &FetchOptions,
    progress: &dyn Progress,
) -> Result<Installed, ArtifactError> {
    let limit = options.max_size;
    if layer.size > limit {
        return Err(ArtifactError::TooLarge {
            what: registry.layer_name(),
            limit,
        });
    }
    if layer.packing == Packing::Raw && layer.digest.is_sha256() {
        let (cache, digest) = (cache.clone(), layer.digest.clone());
        if let Some(found) = fetch::blocking(move || ingest::found(&cache, digest)).await? {
            return Ok(found);
        }
    }
    let staging = Arc::new(cache.staging()?);
    let (reserving, size) = (Arc::clone(&staging), layer.size);
    fetch::blocking(move || reserving.reserve(size)).await?;
    registry.blob(layer, &staging, progress).await?;
    let (cache, layer) = (cache.clone(), layer.clone());
    fetch::blocking(move || ingest::layer(&cache, &staging, &layer, limit)).await
}

/// What a reference names.
pub(crate) struct Named {
    /// The digest of the manifest, or of the index that holds it.
    pub(crate) digest: Digest,
    /// The digest of the manifest itself.
    pub(crate) image: Digest,
    pub(crate) manifest: OciImageManifest,
}

impl Registry<'_> {
    fn image_name(&self) -> String {
        format!("image {}", self.reference)
    }

    fn layer_name(&self) -> String {
        format!("layer of {}", self.reference)
    }

    /// The manifest of the image for WebAssembly: what the reference names, or one in the index that it names.
    pub(crate) async fn image_manifest(&self) -> Result<Named, ArtifactError> {
        let expected = self.reference.digest().map(Digest::parse).transpose()?;
        let tag = self.reference.tag().unwrap_or("latest");
        let (digest, bytes) = self.manifest(tag, expected.as_ref()).await?;
        let index = match format::parse_manifest(&bytes)? {
            OciManifest::Image(manifest) => {
                let image = digest.clone();
                return Ok(Named {
                    digest,
                    image,
                    manifest,
                });
            }
            OciManifest::ImageIndex(index) => index,
        };
        let (chosen, _size) = format::choose_platform(&index)?;
        let (_, bytes) = self.manifest(tag, Some(&chosen)).await?;
        match format::parse_manifest(&bytes)? {
            OciManifest::Image(manifest) => Ok(Named {
                digest,
                image: chosen,
                manifest,
            }),
            OciManifest::ImageIndex(_) => {
                let reason = "it holds another index".to_owned();
                Err(ArtifactError::BadManifest {
                    what: "the index".to_owned(),
                    reason,
                })
            }
        }
    }

    /// A manifest or index: the one with the digest `expected`, or whatever `tag` means now.
    async fn manifest(
        &self,
        tag: &str,
        expected: Option<&Digest>,
    ) -> Result<(Digest, Vec<u8>), ArtifactError> {
        let what = self.image_name();
        let name = expected.map_or(tag, Digest::as_str);
        let url = self.url(&format!("{}/manifests/{name}", self.reference.repository()))?;
        let mut backoff = Backoff::new(self.transport);
        loop {
            match self.try_manifest(&what, &url, expected).await {
                Ok(manifest) => return Ok(manifest),
                Err(failure) => backoff.after(failure).await?,
            }
        }
    }

    async fn try_manifest(
        &self,
        what: &str,
        url: &Url,
        expected: Option<&Digest>,
    ) -> Result<(Digest, Vec<u8>), Failure> {
        let response = self.get(what, url, ACCEPT_MANIFEST).await?;
        let claimed = response
            .headers()
            .get("docker-content-digest")
            .and_then(|value| value.to_str().ok());
        let claimed = claimed.and_then(|text| Digest::parse(text).ok());
        let what = format!("the manifest of {what}");
        let bytes = self.read(&what, response, MAX_MANIFEST_SIZE).await?;
        // A registry that contradicts itself is not believed, even where a tag leaves it free to say anything.
        for digest in [expected, claimed.as_ref()].into_iter().flatten() {
            digest.verify(&what, &bytes)?;
        }
        Ok((expected.cloned().unwrap_or_else(|| Digest::of(&bytes)), bytes))
    }

    /// Downloads a layer into the staging folder and verifies it.
    async fn blob(
        &self,
        layer: &Layer,
        staging: &Staging,
        progress: &dyn Progress,
    ) -> Result<(), ArtifactError> {
        let mut backoff = Backoff::new(self.transport);
        loop {
            match self.try_blob(layer, staging, progress).await {
                Ok(()) => return Ok(()),
                Err(failure) => backoff.after(failure).await?,
            }
        }
    }

    async fn try_blob(
        &self,
        layer: &Layer,
        staging: &Staging,
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        let what = self.layer_name();
        let wrong_size = |got, hint| ArtifactError::WrongSize {
            what: what.clone(),
            got,
            expected: layer.size,
            hint,
        };
        let url = self.url(&format!("{}/blobs/{}", self.reference.repository(), layer.digest))?;
        let running = Running::start(progress, Step::Pulling, Some(layer.size));
        let mut response = self.get(&what, &url, "*/*").await?;
        let mut file = tokio::fs::File::from_std(staging.create(LAYER)?);
        let write_error = |source| ArtifactError::Io {
            action: "write",
            path: staging.path(LAYER),
            source,
        };
        let mut hasher = layer.digest.hasher();
        let mut got = 0;
        while let Some(chunk) = self.patient(&what, response.chunk()).await? {
            got += chunk.len() as u64;
            if got > layer.size {
                let hint = "the registry sends something else than its manifest says";
                return Err(wrong_size(got, hint).into());
            }
            hasher.update(&chunk);
            file.write_all(&chunk).await.map_err(write_error)?;
            running.advanced(chunk.len() as u64);
        }
        if got < layer.size {
            let error = wrong_size(got, "the download was cut off, try again later");
            return Err(Failure::Again { error, after: None });
        }
        file.flush().await.map_err(write_error)?;
        Ok(layer.digest.compare(&what, hasher.finish())?)
    }
}
