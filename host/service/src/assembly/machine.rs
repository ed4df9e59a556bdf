//! What runs components, whoever brought them: engines, mapped code, and who unmaps it. Artifacts are brought by `host`; for a pod
//! they are there already (`pods`).

use crate::assembly::admissible::{admit, no_program};
use crate::call::events::EventComponent;
use crate::call::limits::ReuseLimits;
use crate::call::respond::HttpComponent;
use crate::call::unit::Unit;
use crate::call::world::{EventWorld, HttpWorld};
use crate::code::instances::Instances;
use crate::code::linked::{Code, LinkError, Linked};
use crate::code::resident::{Recipe, Resident};
use crate::code::sweeper::{Sweep, Sweeper};
use crate::links::bindings::{Offer, Want, offers, wants, wiring};
use crate::links::exported::{Exported, Plain};
use crate::{Program, ServiceError};
use shoal_api::Component;
use shoal_artifact::Pin;
use shoal_capability::GrantsBuilder;
use shoal_description::{Description, Variant, World};
use shoal_engine::{Engine, EngineError, Engines, PoolOptions};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    /// Keeps the file where it is.
    pub(crate) pin: Pin,
    pub(crate) description: Description,
}

/// A component that is linked.
pub(crate) struct Callable {
    /// As requests call it, with its world's name; none where they can't.
    pub(crate) http: Option<(Arc<HttpComponent>, &'static str)>,
    /// As messages and points in time call it; none where they don't, or can't.
    pub(crate) events: Option<(Arc<EventComponent>, &'static str)>,
    /// What it exports, for an error's text.
    pub(crate) exports: String,
    pub(crate) wants: Vec<Want>,
    pub(crate) offers: Vec<Offer>,
}

/// Who calls a component beside requests.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Callers {
    /// Other services may.
    pub(crate) services: bool,
    /// Messages or points in time do.
    pub(crate) events: bool,
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
        callers: Callers,
    ) -> Result<Callable, ServiceError> {
        let Some((_, component)) = parts.first().copied() else {
            return Err(ServiceError::Manifest(Vec::new()));
        };
        admit(parts, &ready.description)?;
        let wiring = Arc::new(wiring(parts, &ready.description)?);
        let engine = self.engine(component, &ready)?;
        let recipe = Recipe {
            code: Arc::clone(&self.code),
            engine: engine.clone(),
            compiled: ready.compiled,
            pin: ready.pin,
            description: ready.description,
            parts: parts.len(),
            reuse: component.reuse.as_ref().map(ReuseLimits::from),
            wiring,
            world: HttpWorld::of,
        };
        let failed = |error| ServiceError::link(&component.name, error);
        let linked = recipe.linked().map_err(failed)?;
        let unit = Arc::new(self.unit(service, component, engine, grants)?);
        let wants = linked.types().map(|types| wants(&recipe.wiring.bindings, types));
        let offers = match callers.services {
            true => self.offers(&unit, &recipe, &linked).map_err(failed)?,
            false => Vec::new(),
        };
        let exports = recipe.description.export_names();
        let events = match callers.events {
            true => self.events(&unit, &recipe).map_err(failed)?,
            false => None,
        };
        let http = recipe.load().map_err(failed)?.map(|world| {
            let name = world.name();
            let resident = Resident::new(recipe, world);
            let callable = Arc::new(HttpComponent { unit, resident });
            self.sweeper.add(&callable);
            (callable, name)
        });
        Ok(Callable {
            http,
            events,
            exports,
            wants: wants.unwrap_or_default(),
            offers,
        })
    }

    /// A component as messages and points in time call it.
    fn events(
        &self,
        unit: &Arc<Unit>,
        recipe: &Recipe<HttpWorld>,
    ) -> Result<Option<(Arc<EventComponent>, &'static str)>, LinkError> {
        let recipe = recipe.taken_as(EventWorld::of);
        let Some(world) = recipe.load()? else {
            return Ok(None);
        };
        let name = world.name();
        let callable = Arc::new(EventComponent {
            unit: Arc::clone(unit),
            resident: Resident::new(recipe, world),
        });
        self.sweeper.add(&callable);
        Ok(Some((callable, name)))
    }

    /// What other services can call of a component.
    fn offers(
        &self,
        unit: &Arc<Unit>,
        recipe: &Recipe<HttpWorld>,
        linked: &Arc<Linked>,
    ) -> Result<Vec<Offer>, LinkError> {
        let (Some(types), Some(_)) = (linked.types(), recipe.description.own_exports().next()) else {
            return Ok(Vec::new());
        };
        let recipe = recipe.taken_as(|_, linked, reuse| {
            let plain = linked.component().map(|pre| Plain(pre.clone()));
            Some(plain.map(|it| Instances::new(it, linked, reuse)))
        });
        let Some(world) = recipe.load()? else {
            return Ok(Vec::new());
        };
        let description = recipe.description.clone();
        let exported = Arc::new(Exported {
            unit: Arc::clone(unit),
            resident: Resident::new(recipe, world),
        });
        self.sweeper.add(&exported);
        Ok(offers(&exported, &description, types))
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
        if !description.fits(World::Command) {
            return Err(no_program(component, description));
        }
        let concurrent = description.is_wasi3(World::Command);
        admit(&[(0, component)], description)?;
        let engine = self.engine(component, ready)?;
        let wiring = wiring(&[(0, component)], description)?;
        let linked = self
            .code
            .linked(&engine, &ready.compiled, description, 1, &wiring)
            .map_err(|error| ServiceError::link(&component.name, error))?;
        let unit = self.unit(service, component, engine, grants)?;
        Ok(Program::new(unit, linked, concurrent))
    }

    fn unit(
        &self,
        service: &str,
        component: &Component,
        engine: Engine,
        grants: GrantsBuilder,
    ) -> Result<Unit, ServiceError> {
        let grants = grants.build().map_err(|source| ServiceError::Capability {
            component: component.name.clone(),
            source,
        })?;
        let share = self.engines.share(service);
        Ok(Unit::new(service, component, engine, grants, share))
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

impl Sweep for HttpComponent {
    fn sweep(&self) {
        self.resident.sweep();
    }
}

impl Sweep for EventComponent {
    fn sweep(&self) {
        self.resident.sweep();
    }
}

impl Sweep for Exported {
    fn sweep(&self) {
        self.resident.sweep();
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
