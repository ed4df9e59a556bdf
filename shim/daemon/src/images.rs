//! From a container's image to a compiled file: containerd pulled it, its store holds it, and the cache of `shoal-artifact` takes it
//! from there, with the same checks as from any registry.

pub(crate) mod collect;
mod kept;
mod limits;

use crate::containerd::{Store, Target};
use crate::error::Error;
use crate::paths::Paths;
use crate::record::Program;
use kept::Kept;
use oci_client::manifest::{OciImageManifest, OciManifest};
use shoal_artifact::{
    Artifact, Cache, Compiled, Composed, DEFAULT_MAX_SIZE, Digest, FetchOptions, MAX_MANIFEST_SIZE, Member,
    Pin, Source, format,
};
use shoal_compile::Compiler;
use shoal_description::Description;
use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The images of the node's containers.
pub(crate) struct Images {
    store: Store,
    pub(crate) cache: Cache,
    compiler: Compiler,
    incoming: std::path::PathBuf,
    /// What was taken out of an image's manifest, by its digest.
    known: Mutex<HashMap<Digest, Artifact>>,
    kept: Kept,
}

impl Images {
    pub(crate) fn new(paths: &Paths) -> Result<Self, Error> {
        Self::with(paths, Compiler::locate()?)
    }

    /// With a compiler of one's own.
    pub(crate) fn with(paths: &Paths, compiler: Compiler) -> Result<Self, Error> {
        let cache =
            Cache::open_within(paths.cache(), limits::limits(paths)).map_err(|source| Error::Artifact {
                image: paths.cache().display().to_string(),
                source,
            })?;
        let incoming = paths.incoming();
        // Whatever an earlier daemon left half-way.
        let _ = fs::remove_dir_all(&incoming);
        fs::create_dir_all(&incoming).map_err(Error::file("create", &incoming))?;
        Ok(Self {
            store: Store::new(paths.clone()),
            cache,
            compiler,
            incoming,
            known: Mutex::default(),
            kept: Kept::default(),
        })
    }

    /// The component of an image that containerd holds in `namespace`.
    pub(crate) async fn artifact(&self, namespace: &str, image: &str) -> Result<Artifact, Error> {
        let target = self.store.target(namespace, image).await?;
        let known = self.known().get(&target.digest).cloned();
        if let Some(known) = known
            && let Some(artifact) = self
                .cache
                .again(&known)
                .await
                .map_err(|source| wrong(image, source))?
        {
            return Ok(artifact);
        }
        let artifact = self.ingest(namespace, image, &target).await?;
        // For the time when the image is removed, which may be another daemon's.
        self.cache
            .note(&image_key(namespace, &target.digest), &artifact)
            .await
            .map_err(|source| wrong(image, source))?;
        let known = Artifact {
            pin: Pin::default(),
            ..artifact.clone()
        };
        self.known().insert(target.digest, known);
        Ok(artifact)
    }

    /// What it imports and exports; `image` is for messages.
    pub(crate) async fn described(&self, image: &str, artifact: &Artifact) -> Result<Description, Error> {
        let described = self.cache.described(artifact, &self.compiler).await;
        described.map_err(|source| wrong(image, source))
    }

    /// Its compiled file; `image` is for messages.
    pub(crate) async fn compiled(&self, image: &str, artifact: &Artifact) -> Result<Compiled, Error> {
        self.cache
            .compiled(artifact, &self.compiler, &())
            .await
            .map_err(|source| wrong(image, source))
    }

    /// The compiled file of a container's component for the engine of this version, which is compiled where it is not there; none where
    /// others have the component in themselves.
    pub(crate) async fn code(&self, program: &Program) -> Result<Option<PathBuf>, Error> {
        if program.compiled.is_none() {
            return Ok(None);
        }
        let image = program.task.component.image.as_deref().unwrap_or_default();
        let digest = Digest::parse(&program.task.digest).map_err(|source| wrong(image, source))?;
        let held = self.cache.held(&digest).map_err(|source| wrong(image, source))?;
        let compiled = self.compiled(image, &held).await?;
        self.keep_too(&program.task.id, compiled.pin);
        Ok(Some(compiled.path))
    }

    /// The first of these components with all that it is linked to.
    pub(crate) async fn composed(&self, members: &[Member<'_>]) -> Result<Composed, Error> {
        let composed = self.cache.composed(0, members, &self.compiler).await;
        composed.map_err(Error::Unlinked)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Artifact>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies the manifest and the one layer that matters into an OCI layout, and has the cache take it.
    async fn ingest(&self, namespace: &str, image: &str, target: &Target) -> Result<Artifact, Error> {
        let folder = tempfile::tempdir_in(&self.incoming).map_err(Error::file("create", &self.incoming))?;
        let layout = folder.path();
        let index = serde_json::json!({
            "schemaVersion": 2,
            "manifests": [{"mediaType": target.media_type, "digest": target.digest, "size": target.size}],
        });
        write(&layout.join("oci-layout"), br#"{"imageLayoutVersion": "1.0.0"}"#)?;
        write(&layout.join("index.json"), index.to_string().as_bytes())?;
        let manifest = self.manifest(namespace, image, &target.digest, layout).await?;
        let layer = format::choose_layer(&manifest).map_err(|source| wrong(image, source))?;
        // The copy counts, too.
        let room = self.cache.reserve(layer.size.min(DEFAULT_MAX_SIZE)).await;
        let _room = room.map_err(|source| wrong(image, source))?;
        self.blob(namespace, image, &layer.digest, DEFAULT_MAX_SIZE, layout)
            .await?;
        self.cache
            .fetch(&Source::Layout(layout.to_owned()), &FetchOptions::default(), &())
            .await
            .map_err(|source| wrong(image, source))
    }

    /// The manifest behind a digest, or behind the index that it names.
    async fn manifest(
        &self,
        namespace: &str,
        image: &str,
        digest: &Digest,
        layout: &Path,
    ) -> Result<OciImageManifest, Error> {
        let mut digest = digest.clone();
        for _ in 0..3 {
            let bytes = self
                .blob(namespace, image, &digest, MAX_MANIFEST_SIZE, layout)
                .await?;
            match format::parse_manifest(&bytes).map_err(|source| wrong(image, source))? {
                OciManifest::Image(manifest) => return Ok(manifest),
                OciManifest::ImageIndex(index) => {
                    (digest, _) = format::choose_platform(&index).map_err(|source| wrong(image, source))?;
                }
            }
        }
        Err(Error::Store {
            image: image.to_owned(),
            reason: "its indexes are nested too deeply".to_owned(),
        })
    }

    /// Copies a blob into the layout; its bytes, where they are few enough to be a manifest's.
    async fn blob(
        &self,
        namespace: &str,
        image: &str,
        digest: &Digest,
        limit: u64,
        layout: &Path,
    ) -> Result<Vec<u8>, Error> {
        let algorithm = if digest.is_sha256() { "sha256" } else { "sha512" };
        let blobs = layout.join("blobs").join(algorithm);
        fs::create_dir_all(&blobs).map_err(Error::file("create", &blobs))?;
        let path = blobs.join(digest.hex());
        let mut file = File::create(&path).map_err(Error::file("create", &path))?;
        self.store
            .copy(namespace, image, digest, limit, &mut file)
            .await?;
        if limit > MAX_MANIFEST_SIZE {
            return Ok(Vec::new());
        }
        fs::read(&path).map_err(Error::file("read", &path))
    }
}

/// How the keys of records begin that say what an image led to.
const IMAGE: &str = "image ";

/// The key of the record about an image in a namespace of containerd.
fn image_key(namespace: &str, image: &Digest) -> String {
    format!("{IMAGE}{namespace} {image}")
}

fn wrong(image: &str, source: shoal_artifact::ArtifactError) -> Error {
    Error::Artifact {
        image: image.to_owned(),
        source,
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    fs::write(path, bytes).map_err(Error::file("write", path))
}
