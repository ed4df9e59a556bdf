//! What all services of a process share: engines, compiler, artifacts, stores. A service of its own is in `prepare`.

use crate::ServiceError;
use crate::respond::HttpComponent;
use shoal_api::{Component, ImagePullPolicy, Store};
use shoal_artifact::{Artifact, ArtifactError, Cache, Compiled, FetchOptions, Progress, PullPolicy, Source};
use shoal_capability::LogSink;
use shoal_capability::keyvalue::{KeyValue, Memory};
use shoal_compile::{Compiler, Variant};
use shoal_engine::{Engine, Engines, Loaded, PoolOptions};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
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
    pub(crate) engines: Engines,
    pub(crate) logs: Arc<dyn Logs>,
    cache: Cache,
    compiler: Compiler,
    fetch: FetchOptions,
    sweeper: Sweeper,
    /// Stores in memory, by service and name: they outlive a service that is prepared anew.
    stores: Mutex<HashMap<(String, String), Arc<Memory>>>,
}

/// A component, compiled and mapped.
pub(crate) struct Ready {
    pub(crate) artifact: Artifact,
    pub(crate) compiled: Compiled,
    pub(crate) engine: Engine,
    pub(crate) loaded: Loaded,
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
            engines: Engines::new(pool),
            logs,
            cache,
            compiler,
            fetch,
            sweeper: Sweeper::new(unload_after),
            stores: Mutex::default(),
        }
    }

    /// Brings a component here, compiles it where it is not in the cache, and maps it. Paths of files begin at `base`.
    pub(crate) async fn load(
        &self,
        component: &Component,
        base: &Path,
        progress: &dyn Progress,
    ) -> Result<Ready, ServiceError> {
        let name = || component.name.clone();
        let source = source(component, base).map_err(|source| ServiceError::Artifact {
            component: name(),
            source,
        })?;
        let mut fetch = self.fetch.clone();
        match component.image_pull_policy {
            Some(ImagePullPolicy::Always) => fetch.policy = PullPolicy::Always,
            Some(ImagePullPolicy::IfNotPresent) => fetch.policy = PullPolicy::IfNotPresent,
            Some(ImagePullPolicy::Never) => fetch.policy = PullPolicy::Never,
            None if fetch.policy == PullPolicy::IfNotPresent => fetch.policy = default_policy(&source),
            None => {}
        }
        self.load_from(&source, &fetch, progress)
            .await
            .map_err(|error| error.of(&component.name))
    }

    pub(crate) async fn load_from(
        &self,
        source: &Source,
        fetch: &FetchOptions,
        progress: &dyn Progress,
    ) -> Result<Ready, LoadError> {
        let artifact = self.cache.fetch(source, fetch, progress).await?;
        let compiled = self.cache.compiled(&artifact, &self.compiler, progress).await?;
        let engine = self.engines.get(match compiled.description.variant {
            Variant::Plain => shoal_engine::Variant::Plain,
            Variant::Concurrent => shoal_engine::Variant::Concurrent,
        })?;
        let loaded = engine.load(&compiled.path)?;
        Ok(Ready {
            artifact,
            compiled,
            engine: engine.clone(),
            loaded,
        })
    }

    /// Unmaps this component when it is not used.
    pub(crate) fn sweep(&self, component: &Arc<HttpComponent>) {
        self.sweeper.add(component);
    }

    /// How artifacts are pulled unless a component says otherwise.
    pub(crate) fn fetch_options(&self) -> &FetchOptions {
        &self.fetch
    }

    /// The store of that name; none for a kind that was refused as not supported.
    pub(crate) fn store(&self, service: &str, store: &Store) -> Option<Arc<dyn KeyValue>> {
        store.memory.as_ref()?;
        let key = (service.to_owned(), store.name.clone());
        let mut stores = lock(&self.stores);
        Some(Arc::clone(stores.entry(key).or_default()) as _)
    }
}

/// Looks at all components from time to time and unmaps those that were not used.
struct Sweeper {
    every: Duration,
    components: Arc<Mutex<Vec<Weak<HttpComponent>>>>,
    started: OnceLock<()>,
}

impl Sweeper {
    fn new(every: Duration) -> Self {
        Self {
            every,
            components: Arc::default(),
            started: OnceLock::new(),
        }
    }

    fn add(&self, component: &Arc<HttpComponent>) {
        lock(&self.components).push(Arc::downgrade(component));
        self.started.get_or_init(|| {
            let (every, components) = (self.every, Arc::downgrade(&self.components));
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(every).await;
                    let Some(components) = components.upgrade() else {
                        return;
                    };
                    lock(&components).retain(|component| {
                        let component = component.upgrade();
                        component.inspect(|it| it.resident.sweep()).is_some()
                    });
                }
            });
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Why a component could not be loaded, before it has a name.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    #[error(transparent)]
    Engine(#[from] shoal_engine::EngineError),
}

impl LoadError {
    pub(crate) fn of(self, component: &str) -> ServiceError {
        let component = component.to_owned();
        match self {
            Self::Artifact(source) => ServiceError::Artifact { component, source },
            Self::Engine(source) => ServiceError::Engine { component, source },
        }
    }
}

fn source(component: &Component, base: &Path) -> Result<Source, ArtifactError> {
    match (&component.image, &component.file) {
        (Some(image), _) => Source::reference(image),
        (None, file) => Ok(Source::File(base.join(file.as_deref().unwrap_or_default()))),
    }
}
