//! What runs components, whoever brought them: engines, mapped code, and who unmaps it. Artifacts are brought by `host`; for a pod
//! they are there already (`pods`).

use crate::code::Code;
use crate::limits::ReuseLimits;
use crate::prepare::{admit, exports};
use crate::resident::{Recipe, Resident};
use crate::respond::HttpComponent;
use crate::unit::Unit;
use crate::world::World;
use crate::{Program, ServiceError};
use shoal_api::Component;
use shoal_capability::GrantsBuilder;
use shoal_compile::{Description, Variant};
use shoal_engine::{Engine, EngineError, Engines, PoolOptions};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

/// Engines and code of a process.
pub(crate) struct Machine {
    engines: Engines,
    code: Arc<Code>,
    sweeper: Sweeper,
}

/// A component whose native code is here.
pub(crate) struct Ready {
    pub(crate) digest: String,
    pub(crate) compiled: PathBuf,
    pub(crate) description: Description,
}

/// A component that is linked.
pub(crate) enum Callable {
    /// A trigger can call it.
    Http(Arc<HttpComponent>, &'static str),
    /// None can, with what it exports.
    Not(String),
}

impl Machine {
    /// A component that nobody called for `unload_after`, and no longer than twice it, is unmapped.
    pub(crate) fn new(pool: PoolOptions, unload_after: Duration) -> Self {
        Self {
            engines: Engines::new(pool),
            code: Arc::default(),
            sweeper: Sweeper::new(unload_after),
        }
    }

    /// Starts both engines now, and not when a component first needs one.
    pub(crate) fn start(&self) -> Result<(), EngineError> {
        self.engines.get(shoal_engine::Variant::Plain)?;
        self.engines.get(shoal_engine::Variant::Concurrent)?;
        Ok(())
    }

    /// A component of a service, for triggers. `parts` are those that are in it, with their places in the manifest: its own first.
    pub(crate) fn callable(
        &self,
        service: &str,
        parts: &[(usize, &Component)],
        ready: Ready,
        grants: GrantsBuilder,
    ) -> Result<Callable, ServiceError> {
        let Some((_, component)) = parts.first().copied() else {
            return Ok(Callable::Not(exports(&ready.description)));
        };
        admit(parts, &ready.description)?;
        let engine = self.engine(component, &ready)?;
        let recipe = Recipe {
            code: Arc::clone(&self.code),
            engine: engine.clone(),
            compiled: ready.compiled,
            description: ready.description,
            parts: parts.len(),
            reuse: component.reuse.as_ref().map(ReuseLimits::from),
        };
        let world = recipe
            .load()
            .map_err(|error| ServiceError::link(&component.name, error))?;
        let Some(world) = world else {
            return Ok(Callable::Not(exports(&recipe.description)));
        };
        let name = World::name(&world);
        let callable = Arc::new(HttpComponent {
            unit: Arc::new(unit(service, component, engine, grants)?),
            resident: Resident::new(recipe, world),
        });
        self.sweeper.add(&callable);
        Ok(Callable::Http(callable, name))
    }

    /// A component of `wasi:cli`, to be run once.
    pub(crate) fn program(
        &self,
        service: &str,
        component: &Component,
        ready: &Ready,
        grants: GrantsBuilder,
    ) -> Result<Program, ServiceError> {
        let description = &ready.description;
        let Some(run) = description.export("wasi:cli/run") else {
            return Err(ServiceError::Exports {
                component: component.name.clone(),
                exports: exports(description),
                wanted:
                    "a program exports wasi:cli/run: a service is started from its manifest with `shoal up`"
                        .to_owned(),
            });
        };
        let concurrent = run.version().is_some_and(|version| version.starts_with("0.3"));
        admit(&[(0, component)], description)?;
        let engine = self.engine(component, ready)?;
        let linked = self
            .code
            .linked(&engine, &ready.compiled, description, 1)
            .map_err(|error| ServiceError::link(&component.name, error))?;
        let unit = unit(service, component, engine, grants)?;
        Ok(Program::new(unit, linked, concurrent))
    }

    fn engine(&self, component: &Component, ready: &Ready) -> Result<Engine, ServiceError> {
        let variant = match ready.description.variant {
            Variant::Plain => shoal_engine::Variant::Plain,
            Variant::Concurrent => shoal_engine::Variant::Concurrent,
        };
        let engine = self.engines.get(variant);
        engine.cloned().map_err(|source| ServiceError::Engine {
            component: component.name.clone(),
            source,
        })
    }
}

fn unit(
    service: &str,
    component: &Component,
    engine: Engine,
    grants: GrantsBuilder,
) -> Result<Unit, ServiceError> {
    let grants = grants.build().map_err(|source| ServiceError::Capability {
        component: component.name.clone(),
        source,
    })?;
    Ok(Unit::new(service, component, engine, grants))
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

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
