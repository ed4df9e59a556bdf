//! A laptop's host: artifacts, the compiler, folders of this machine and its network. How services are made of these is in `assembly`.

use crate::assembly::values::Objects;
use crate::assembly::volumes::Volumes;
use crate::edges::local::{LocalOutside, LocalSupply};
use crate::links::neighbours::Neighbourhood;
use crate::{Assembler, Definition, Service, ServiceError, ServiceId};
use shoal_api::WasmService;
use shoal_artifact::{Cache, FetchOptions, Progress, PullPolicy, Source};
use shoal_capability::{Dialer, LocalDialer, LogSink};
use shoal_compile::Compiler;
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
    pub(crate) assembler: Assembler,
    pub(crate) logs: Arc<dyn Logs>,
    neighbours: Arc<Neighbourhood>,
    pub(crate) cache: Cache,
    pub(crate) compiler: Compiler,
    /// How artifacts are pulled unless a component says otherwise.
    pub(crate) options: FetchOptions,
    /// One for all services: those that name the same Redis share a connection.
    pub(crate) dialer: Arc<dyn Dialer>,
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
            assembler: Assembler::new(pool, unload_after),
            logs,
            neighbours: Arc::default(),
            cache,
            compiler,
            options: fetch,
            dialer: Arc::new(LocalDialer),
        }
    }

    /// Where the components of its services find each other by name.
    pub fn neighbourhood(&self) -> &Arc<Neighbourhood> {
        &self.neighbours
    }

    /// Makes a service ready: its artifacts are here, compiled, allowed to run, and linked. Paths of files begin at `base`;
    /// `progress` makes a listener for each component, by its name. With `linkable`, other services may be linked to it. Its own
    /// links lead nowhere until they are resolved and established ([`Service::resolve`]).
    ///
    /// # Errors
    ///
    /// The first component that can't be run; for it, everything that is missing.
    pub async fn prepare(
        &self,
        manifest: &WasmService,
        objects: &Objects,
        base: &Path,
        linkable: bool,
        progress: &(dyn Fn(&str) -> Box<dyn Progress> + Sync),
    ) -> Result<Service, ServiceError> {
        let unsupported = shoal_api::unsupported(manifest);
        if !unsupported.is_empty() {
            return Err(ServiceError::Manifest(unsupported));
        }
        let id = ServiceId::of_manifest(manifest);
        let mut problems = Vec::new();
        let volumes = Volumes::make(&manifest.spec.volumes, base, objects, &mut problems)?;
        let outside = LocalOutside {
            neighbours: self.neighbours.seen_from(&id.namespace),
            logs: Arc::clone(&self.logs),
            dialer: Arc::clone(&self.dialer),
            id,
            volumes,
            problems,
        };
        let supply = LocalSupply {
            host: self,
            base,
            progress,
        };
        let definition = Definition {
            manifest,
            objects,
            linkable,
        };
        self.assembler
            .assemble(definition, &supply, Arc::new(outside))
            .await
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
