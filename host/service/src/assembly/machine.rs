//! What runs components, whoever brought them: engines, mapped code, and who unmaps it.

use crate::assembly::furnish::Order;
use crate::assembly::supply::Compiled;
use crate::call::events::EventComponent;
use crate::call::limits::ReuseLimits;
use crate::call::respond::HttpComponent;
use crate::call::unit::Unit;
use crate::call::world::{Callers, EventWorld, HttpWorld, Worlds};
use crate::code::linked::{Code, Linked};
use crate::code::resident::{Recipe, Resident};
use crate::code::sweeper::Sweeper;
use crate::links::bindings::{Binding, Offer, Want, bindings, offers, wants};
use crate::links::exported::Exported;
use crate::{Program, ServiceError};
use shoal_api::Component;
use shoal_capability::{GrantsBuilder, Inadmissible, admit_parts};
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

/// A component with all those that are in its code.
pub(crate) struct Whole<'a> {
    pub(crate) order: &'a Order<'a>,
    /// With their places in the manifest, its own first.
    pub(crate) parts: &'a [(usize, &'a Component)],
    pub(crate) compiled: Compiled,
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

    /// A component of a service, for triggers.
    pub(crate) fn callable(
        &self,
        whole: Whole<'_>,
        grants: GrantsBuilder,
        callers: Callers,
    ) -> Result<Callable, ServiceError> {
        let component = whole.root()?;
        whole.admit()?;
        let bindings: Arc<[Binding]> = bindings(whole.parts, &whole.compiled.description)?.into();
        let engine = self.engine(component, &whole.compiled)?;
        let unit = self.unit(&whole, engine.clone(), grants)?;
        let Whole { parts, compiled, .. } = whole;
        let reuse = component.reuse.as_ref().map(ReuseLimits::from);
        let recipe = Recipe {
            code: Arc::clone(&self.code),
            engine,
            compiled: compiled.path,
            pin: compiled.pin,
            description: compiled.description,
            parts: parts.len(),
            bindings,
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
        let wants = types.map(|types| wants(&recipe.bindings, types));
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
    pub(crate) fn program(&self, whole: &Whole<'_>, grants: GrantsBuilder) -> Result<Program, ServiceError> {
        let (component, description) = (whole.root()?, &whole.compiled.description);
        if !description.fits(World::Command) {
            let command = World::Command.export();
            return Err(ServiceError::Exports {
                component: component.name.clone(),
                exports: description.export_names(),
                wanted: format!(
                    "a program exports {command}: a service is started from its manifest with `shoal up`"
                ),
            });
        }
        let concurrent = description.is_wasi3(World::Command);
        whole.admit()?;
        let engine = self.engine(component, &whole.compiled)?;
        let linked = self
            .code
            .linked(&engine, &whole.compiled.path, description, (whole.parts.len(), &[]))
            .map_err(|error| ServiceError::link(&component.name, error))?;
        let unit = self.unit(whole, engine, grants)?;
        Ok(Program::new(unit, linked, concurrent))
    }

    fn unit(&self, whole: &Whole<'_>, engine: Engine, grants: GrantsBuilder) -> Result<Unit, ServiceError> {
        let component = whole.root()?;
        let grants = grants.build().map_err(|source| ServiceError::Capability {
            component: component.name.clone(),
            source,
        })?;
        let share = self.engines.share(&whole.order.share());
        Ok(Unit::new(whole.order.label, component, engine, grants, share))
    }

    fn engine(&self, component: &Component, compiled: &Compiled) -> Result<Engine, ServiceError> {
        let variant = match compiled.description.variant {
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

impl<'a> Whole<'a> {
    /// The component that the others are in.
    fn root(&self) -> Result<&'a Component, ServiceError> {
        let root = self.parts.first().map(|(_, component)| *component);
        root.ok_or_else(|| ServiceError::Manifest(Vec::new()))
    }

    /// Refuses a component that imports what is neither granted nor linked, and one that has such a component in itself.
    fn admit(&self) -> Result<(), ServiceError> {
        let alone = self.parts.len() == 1;
        let parts = self.parts.iter().map(|(place, component)| {
            let origin = self.order.fields.origin(*place, &component.name, alone);
            (origin, *component)
        });
        let admitted = admit_parts(&self.compiled.description, &parts.collect::<Vec<_>>());
        admitted.map_err(|Inadmissible { part, denied }| {
            let component = self.parts.get(part);
            ServiceError::Denied {
                component: component.map_or_else(String::new, |(_, it)| it.name.clone()),
                denied,
            }
        })
    }
}
