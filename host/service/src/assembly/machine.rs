//! What runs components: engines, mapped code, and the sweeper that unmaps it. Compiled files come from `supply`.

use crate::assembly::admissible::{admit, program};
use crate::assembly::grants::Group;
use crate::assembly::supply::Compiled;
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
use shoal_capability::GrantsBuilder;
use shoal_description::{Variant, World};
use shoal_engine::{Engine, EngineError, Engines, PoolOptions};
use std::sync::Arc;
use std::time::Duration;

/// Engines and code of a process.
pub(crate) struct Machine {
    engines: Engines,
    code: Arc<Code>,
    sweeper: Sweeper,
}

/// A component that is compiled, together with those that are in its code.
pub(crate) struct Root<'a> {
    group: &'a Group<'a>,
    component: &'a Component,
    /// All that are in it, with their places in the group, itself first.
    pub(crate) parts: Vec<(usize, &'a Component)>,
    compiled: Compiled,
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

    /// A component that is called.
    pub(crate) fn callable(
        &self,
        root: Root<'_>,
        grants: GrantsBuilder,
        callers: Callers,
    ) -> Result<Callable, ServiceError> {
        root.admit()?;
        let wiring = Arc::new(wiring(&root.parts, &root.compiled.description)?);
        let engine = self.engine(&root)?;
        let unit = self.unit(&root, engine.clone(), grants)?;
        let Root {
            component,
            parts,
            compiled,
            ..
        } = root;
        let reuse = component.reuse.as_ref().map(ReuseLimits::from);
        let recipe = Recipe {
            code: Arc::clone(&self.code),
            engine,
            compiled: compiled.path,
            _pin: compiled.pin,
            description: compiled.description,
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
    pub(crate) fn program(&self, root: &Root<'_>, grants: GrantsBuilder) -> Result<Program, ServiceError> {
        let description = &root.compiled.description;
        program(root.component, description)?;
        root.admit()?;
        let concurrent = description.is_wasi3(World::Command);
        let engine = self.engine(root)?;
        let wiring = wiring(&root.parts, description)?;
        let (path, parts) = (&root.compiled.path, root.parts.len());
        let linked = self
            .code
            .linked(&engine, path, description, (parts, &wiring))
            .map_err(|error| ServiceError::link(&root.component.name, error))?;
        let unit = self.unit(root, engine, grants)?;
        Ok(Program::new(unit, linked, concurrent))
    }

    fn unit(&self, root: &Root<'_>, engine: Engine, grants: GrantsBuilder) -> Result<Unit, ServiceError> {
        let component = root.component;
        let grants = grants.build().map_err(|source| ServiceError::Capability {
            component: component.name.clone(),
            source,
        })?;
        let share = self.engines.share(&root.group.share());
        Ok(Unit::new(root.group.label, component, engine, grants, share))
    }

    fn engine(&self, root: &Root<'_>) -> Result<Engine, ServiceError> {
        let variant = match root.compiled.description.variant {
            Variant::Plain => shoal_engine::Variant::Plain,
            Variant::Concurrent => shoal_engine::Variant::Concurrent,
        };
        let engine = self.engines.get(variant);
        engine.cloned().map_err(|source| ServiceError::Engine {
            component: root.component.name.clone(),
            source,
        })
    }
}

impl<'a> Root<'a> {
    pub(crate) fn new(group: &'a Group<'a>, compiled: Compiled) -> Result<Self, ServiceError> {
        let parts = group.at(&compiled.places);
        let component = parts.first().map(|(_, component)| *component);
        Ok(Self {
            group,
            component: component.ok_or_else(|| ServiceError::Manifest(Vec::new()))?,
            parts,
            compiled,
        })
    }

    fn admit(&self) -> Result<(), ServiceError> {
        admit(self.group, &self.compiled.places, &self.compiled.description)
    }
}
