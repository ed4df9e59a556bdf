//! From a manifest to a service that answers, for any [`Supply`] and any [`Outside`].

use crate::assembly::admissible::admit;
use crate::assembly::fields::Fields;
use crate::assembly::fused::is_root;
use crate::assembly::grants::{Described, Granted, Group, Shared};
use crate::assembly::machine::{Callable, Machine, Root};
use crate::assembly::outside::Outside;
use crate::assembly::supply::{Compiled, Supplied, Supply};
use crate::assembly::values::Objects;
use crate::call::world::Callers;
use crate::{Program, Service, ServiceError, ServiceId};
use shoal_api::{Problem, WasmService, route};
use shoal_description::Description;
use shoal_engine::{EngineError, PoolOptions};
use std::sync::Arc;
use std::time::Duration;

/// Makes services ready. It has the engines, code, stores and Redis clients that all services of a process share.
pub struct Assembler {
    machine: Machine,
    shared: Shared,
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
            shared: Shared::default(),
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

    /// Makes a service ready: it has what its manifest grants, and its components are supplied, admitted and linked. Its links to other
    /// services lead nowhere until they are resolved and established ([`Service::resolve`]).
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
        let components = spec.components.iter().map(|component| Described {
            component,
            objects,
            stores: &spec.stores,
        });
        let group = Group {
            id: &id,
            label: &id.name,
            fields: Fields::Manifest,
            manifest: Some(manifest),
            components: components.collect(),
            triggers: &spec.triggers,
            outside: &*outside,
        };
        let places = 0..spec.components.len();
        let roots: Vec<_> = places.filter(|at| is_root(spec, *at, linkable)).collect();
        let conflicts = route::conflicts(&spec.triggers);
        let (mut granted, supplied) = self.prepare(&group, &roots, supply, conflicts).await?;
        let triggers = std::mem::take(&mut granted.triggers);
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
            let callable = self.callable(&group, &granted, compiled, callers)?;
            service.add(component, digest, callable);
        }
        service.route(manifest)?;
        Ok(service)
    }

    /// Supplies the components of a group, and makes everything that they are given. `problems` are those that were found before.
    pub(crate) async fn prepare(
        &self,
        group: &Group<'_>,
        roots: &[usize],
        supply: &dyn Supply,
        problems: Vec<Problem>,
    ) -> Result<(Granted, Supplied), ServiceError> {
        // First: a mistake in a manifest is reported before minutes of pulling and compiling.
        let granted = self.shared.grant(group, problems).await?;
        let components: Vec<_> = group.components.iter().map(|it| it.component).collect();
        let admit = |places: &[usize], description: &Description| admit(group, places, description);
        let supplied = supply.supply(&components, roots, &admit).await?;
        Ok((granted, supplied))
    }

    /// A compiled component that is called.
    pub(crate) fn callable(
        &self,
        group: &Group<'_>,
        granted: &Granted,
        compiled: Compiled,
        callers: Callers,
    ) -> Result<Callable, ServiceError> {
        let root = Root::new(group, compiled)?;
        let grants = granted.of_root(&root.parts)?;
        self.machine.callable(root, grants, callers)
    }

    /// A compiled component that is run once.
    pub(crate) fn program(
        &self,
        group: &Group<'_>,
        granted: &Granted,
        compiled: Compiled,
    ) -> Result<Program, ServiceError> {
        let root = Root::new(group, compiled)?;
        let grants = granted.of_root(&root.parts)?;
        self.machine.program(&root, grants)
    }
}
