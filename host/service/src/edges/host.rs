//! What all services of a process share: artifacts, compiler, stores, and the machine that runs them. A service of its own is in `prepare`.

use crate::ServiceError;
use crate::assembly::machine::{Machine, Ready};
use crate::assembly::redis::Clients;
use crate::assembly::stores::Stores;
use crate::links::neighbours::Neighbourhood;
use shoal_api::{Component, ImagePullPolicy};
use shoal_artifact::{
    Artifact, ArtifactError, Cache, Composed, FetchOptions, Member, Progress, PullPolicy, Source,
};
use shoal_capability::LogSink;
use shoal_compile::Compiler;
use shoal_description::Description;
use shoal_engine::PoolOptions;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Where the output of components goes.
pub trait Logs: Send + Sync {
    /// The log of one component.
    fn of(&self, service: &str, component: &str) -> Arc<dyn LogSink>;
}

/// How a host works.
pub struct HostOptions {
    /// The size of each engine's pool.
    pub pool: PoolOptions,
    /// How artifacts are pulled.
    pub fetch: FetchOptions,
    /// Where the output of components goes.
    pub logs: Arc<dyn Logs>,
    /// A component that nobody called for this long, and no longer than twice it, is unmapped. Its next call maps it again.
    pub unload_after: Duration,
}

/// Runs services.
pub struct Host {
    pub(crate) machine: Machine,
    pub(crate) logs: Arc<dyn Logs>,
    pub(crate) neighbours: Arc<Neighbourhood>,
    pub(crate) cache: Cache,
    compiler: Compiler,
    options: FetchOptions,
    pub(crate) stores: Stores,
    pub(crate) clients: Clients,
}

impl Host {
    /// A host that keeps artifacts in `cache` and compiles with `compiler`.
    pub fn new(cache: Cache, compiler: Compiler, options: HostOptions) -> Self {
        let HostOptions {
            pool,
            fetch,
            logs,
            unload_after,
        } = options;
        Self {
            machine: Machine::new(pool, unload_after),
            logs,
            neighbours: Arc::default(),
            cache,
            compiler,
            options: fetch,
            stores: Stores::default(),
            clients: Clients::default(),
        }
    }

    /// Where the components of its services find each other by name.
    pub fn neighbourhood(&self) -> &Arc<Neighbourhood> {
        &self.neighbours
    }

    /// Brings a component here. Paths of files begin at `base`.
    pub(crate) async fn fetch(
        &self,
        component: &Component,
        base: &Path,
        progress: &dyn Progress,
    ) -> Result<Artifact, ServiceError> {
        let name = || component.name.clone();
        let source = source(component, base).map_err(|source| ServiceError::Artifact {
            component: name(),
            source,
        })?;
        let mut fetch = self.options.clone();
        match component.image_pull_policy {
            Some(ImagePullPolicy::Always) => fetch.policy = PullPolicy::Always,
            Some(ImagePullPolicy::IfNotPresent) => fetch.policy = PullPolicy::IfNotPresent,
            Some(ImagePullPolicy::Never) => fetch.policy = PullPolicy::Never,
            None if fetch.policy == PullPolicy::IfNotPresent => fetch.policy = default_policy(&source),
            None => {}
        }
        let fetched = self.cache.fetch(&source, &fetch, progress).await;
        fetched.map_err(|source| ServiceError::Artifact {
            component: name(),
            source,
        })
    }

    /// What an artifact imports and exports.
    pub(crate) async fn described(&self, artifact: &Artifact) -> Result<Description, ArtifactError> {
        self.cache.described(artifact, &self.compiler).await
    }

    /// Compiles an artifact where that was not done before.
    pub(crate) async fn compile(
        &self,
        artifact: &Artifact,
        progress: &dyn Progress,
    ) -> Result<Ready, ArtifactError> {
        let compiled = self.cache.compiled(artifact, &self.compiler, progress).await?;
        Ok(Ready {
            digest: artifact.digest.to_string(),
            compiled: compiled.path,
            pin: compiled.pin,
            description: compiled.description,
        })
    }

    /// One component out of several that are linked.
    pub(crate) async fn composed(
        &self,
        root: usize,
        members: &[Member<'_>],
    ) -> Result<Composed, ArtifactError> {
        self.cache.composed(root, members, &self.compiler).await
    }

    /// How artifacts are pulled unless a component says otherwise.
    pub(crate) fn fetch_options(&self) -> &FetchOptions {
        &self.options
    }
}

/// When a registry is asked unless somebody decides: `latest` may mean something else every time, any other tag is looked up once,
/// as Kubernetes has it for `imagePullPolicy`.
pub fn default_policy(source: &Source) -> PullPolicy {
    match source {
        Source::Reference(it) if it.digest().is_none() && it.tag().is_none_or(|tag| tag == "latest") => {
            PullPolicy::Always
        }
        _ => PullPolicy::IfNotPresent,
    }
}

fn source(component: &Component, base: &Path) -> Result<Source, ArtifactError> {
    match (&component.image, &component.file) {
        (Some(image), _) => Source::reference(image),
        (None, file) => Ok(Source::File(base.join(file.as_deref().unwrap_or_default()))),
    }
}
