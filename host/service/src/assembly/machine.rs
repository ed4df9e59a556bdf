//! What runs components, whoever brought them: engines, mapped code, and who unmaps it. Artifacts are brought by `host`; for a pod
//! they are there already (`pods`).

use crate::assembly::admissible::{admit, no_program};
use crate::call::events::EventComponent;
use crate::call::limits::ReuseLimits;
use crate::call::respond::HttpComponent;
use crate::call::unit::Unit;
use crate::call::world::{Callers, EventWorld, HttpWorld, Worlds};
use crate::code::linked::{Code, Linked};
use crate::code::resident::{Recipe, Resident};
use crate::code::sweeper::Sweeper;
use crate::links::bindings::{Offer, Want, offers, wants, wiring};
use crate::links::exported::Exported;
use crate::{Program, ServiceError};
use shoal_api::Component;
use shoal_artifact::Pin;
use shoal_capability::GrantsBuilder;
use shoal_description::{Description, Variant, World};
use shoal_engine::{Engine, EngineError, Engines, PoolOptions};
use std::path::PathBuf;
use std::sync::Arc;
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
    /// Its code, which all of these have.
    pub(crate) resident: Arc<Resident<Worlds>>,
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
        let unit = self.unit(service, component, engine.clone(), grants)?;
        let reuse = component.reuse.as_ref().map(ReuseLimits::from);
        let recipe = Recipe {
            code: Arc::clone(&self.code),
            engine,
            compiled: ready.compiled,
            _pin: ready.pin,
            description: ready.description,
            parts: parts.len(),
            wiring,
            take: Box::new(move |description, linked| Worlds::of(description, linked, reuse, callers)),
        };
        let failed = |error| ServiceError::link(&component.name, error);
        let linked = recipe.linked().map_err(failed)?;
        let worlds = recipe.take(&linked).map_err(failed)?;
        Ok(self.called(unit, recipe, (&linked, worlds)))
    }

    /// A component as each of its callers has it.
    fn called(&self, unit: Unit, recipe: Recipe<Worlds>, (linked, worlds): (&Linked, Worlds)) -> Callable {
        let (unit, types) = (Arc::new(unit), linked.types());
        let wants = types.map(|types| wants(&recipe.wiring.bindings, types));
        let exports = recipe.description.export_names();
        let http = worlds.http().ok().map(HttpWorld::name);
        let events = worlds.events().ok().map(EventWorld::name);
        let offering = types.filter(|_| worlds.exports().is_ok());
        let offering = offering.map(|types| (types, recipe.description.clone()));
        let resident = Arc::new(Resident::new(recipe, worlds));
        self.sweeper.add(&resident);
        let (unit, resident) = (&unit, &resident);
        let offers = offering.map(|(types, description)| {
            let exported = Exported {
                unit: Arc::clone(unit),
                resident: Arc::clone(resident),
            };
            offers(&Arc::new(exported), &description, types)
        });
        Callable {
            http: http.map(|world| {
                let callable = HttpComponent {
                    unit: Arc::clone(unit),
                    resident: Arc::clone(resident),
                };
                (Arc::new(callable), world)
            }),
            events: events.map(|world| {
                let callable = EventComponent {
                    unit: Arc::clone(unit),
                    resident: Arc::clone(resident),
                };
                (Arc::new(callable), world)
            }),
            exports,
            wants: wants.unwrap_or_default(),
            offers: offers.unwrap_or_default(),
            resident: Arc::clone(resident),
        }
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
            .linked(&engine, &ready.compiled, description, (1, &wiring))
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
