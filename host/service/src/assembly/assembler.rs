//! From a manifest to a service that answers, whoever brings its components and however it reaches the outside.

use crate::assembly::fields::Fields;
use crate::assembly::furnish::{Furnished, Given, Goods, Order};
use crate::assembly::fused::is_root;
use crate::assembly::machine::{Callable, Machine, Whole};
use crate::assembly::outside::Outside;
use crate::assembly::supply::{Compiled, Supplied, Supply};
use crate::assembly::values::Objects;
use crate::call::world::Callers;
use crate::{Program, Service, ServiceError, ServiceId};
use shoal_api::{Problem, WasmService};
use shoal_engine::{EngineError, PoolOptions};
use std::sync::Arc;
use std::time::Duration;

/// Makes services ready: engines, code, stores and clients, which all services of a process share.
pub struct Assembler {
    machine: Machine,
    goods: Goods,
}

/// A service, as it is described.
#[derive(Clone, Copy)]
pub struct Definition<'a> {
    /// Its manifest.
    pub manifest: &'a WasmService,
    /// The Secrets and ConfigMaps that it refers to.
    pub objects: &'a Objects,
    /// Whether other services may be linked to it.
    pub linkable: bool,
}

impl Assembler {
    /// A component that nobody called for `unload_after`, and no longer than twice it, is unmapped.
    pub fn new(pool: PoolOptions, unload_after: Duration) -> Self {
        Self {
            machine: Machine::new(pool, unload_after),
            goods: Goods::default(),
        }
    }

    /// Starts the engines now, and not when a component first needs one.
    ///
    /// # Errors
    ///
    /// Where a pool's address space cannot be reserved.
    pub fn start(&self) -> Result<(), EngineError> {
        self.machine.start()
    }

    /// Makes a service ready: it is furnished with all that its manifest grants, its components are here, admitted and linked. Its links to
    /// other services lead nowhere until they are resolved and established ([`Service::resolve`]).
    ///
    /// # Errors
    ///
    /// The first component that can't be run; for it, everything that is missing.
    pub async fn assemble(
        &self,
        definition: Definition<'_>,
        supply: &dyn Supply,
        outside: Arc<dyn Outside>,
    ) -> Result<Service, ServiceError> {
        let Definition {
            manifest,
            objects,
            linkable,
        } = definition;
        let (id, spec) = (ServiceId::of_manifest(manifest), &manifest.spec);
        let given = spec.components.iter().map(|component| Given {
            component,
            objects,
            stores: &spec.stores,
        });
        let order = Order {
            id: &id,
            label: &id.name,
            fields: Fields::Manifest,
            given: given.collect(),
            triggers: &spec.triggers,
            outside: &*outside,
        };
        let places = 0..spec.components.len();
        let roots: Vec<_> = places.filter(|at| is_root(spec, *at, linkable)).collect();
        let (mut furnished, supplied) = self.bring(&order, &roots, supply, Vec::new()).await?;
        let triggers = std::mem::take(&mut furnished.triggers);
        let mut service = Service::new(id.clone(), triggers, Arc::clone(&outside));
        let mut compiled = roots.iter().zip(supplied.roots).peekable();
        for (place, (component, digest)) in spec.components.iter().zip(supplied.digests).enumerate() {
            let Some((_, compiled)) = compiled.next_if(|(root, _)| **root == place) else {
                service.add_part(component, digest);
                continue;
            };
            let callers = Callers {
                services: linkable,
                events: service.calls(&component.name),
            };
            let digest = compiled.digest.clone();
            let callable = self.callable(&order, &furnished, compiled, callers)?;
            service.add(component, digest, callable);
        }
        service.route(manifest)?;
        Ok(service)
    }

    /// Brings these components here, with all that they are given. `problems` are those that were found before.
    pub(crate) async fn bring(
        &self,
        order: &Order<'_>,
        roots: &[usize],
        supply: &dyn Supply,
        problems: Vec<Problem>,
    ) -> Result<(Furnished, Supplied), ServiceError> {
        // First: what is wrong in a manifest is told before minutes of pulling and compiling.
        let furnished = self.goods.furnish(order, problems).await?;
        let components: Vec<_> = order.given.iter().map(|it| it.component).collect();
        let supplied = supply.supply(&components, roots).await?;
        Ok((furnished, supplied))
    }

    /// A compiled component, for those who call it.
    pub(crate) fn callable(
        &self,
        order: &Order<'_>,
        furnished: &Furnished,
        compiled: Compiled,
        callers: Callers,
    ) -> Result<Callable, ServiceError> {
        let parts = order.parts(&compiled.places);
        let grants = furnished.of_whole(&parts)?;
        let whole = Whole {
            order,
            parts: &parts,
            compiled,
        };
        self.machine.callable(whole, grants, callers)
    }

    /// A compiled component that is run once.
    pub(crate) fn program(
        &self,
        order: &Order<'_>,
        furnished: &Furnished,
        compiled: Compiled,
    ) -> Result<Program, ServiceError> {
        let parts = order.parts(&compiled.places);
        let grants = furnished.of_whole(&parts)?;
        let whole = Whole {
            order,
            parts: &parts,
            compiled,
        };
        self.machine.program(&whole, grants)
    }
}
