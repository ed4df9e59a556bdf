//! A service that is ready to answer. How it is made ready is in `assembler`; which services run is `shoal-fleet`'s business.

use crate::assembly::admissible::uncallable;
use crate::assembly::machine::Callable;
use crate::assembly::outside::Outside;
use crate::assembly::triggers::{self, Planned, Triggers};
use crate::call::events::EventComponent;
use crate::call::respond::HttpComponent;
use crate::call::world::Worlds;
use crate::code::resident::Resident;
use crate::code::sweeper::Sweep as _;
use crate::links::bindings::{Offer, Want};
use crate::{ServiceError, ServiceId};
use shoal_api::{Component, HttpTrigger, WasmService};
use shoal_trigger::http::{Handler, Routes, Target};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A service that is ready to answer.
pub struct Service {
    id: ServiceId,
    components: Vec<ServiceComponent>,
    callable: BTreeMap<String, Arc<HttpComponent>>,
    /// Components that messages and points in time call.
    handlers: BTreeMap<String, Arc<EventComponent>>,
    /// The code of each component that was made ready.
    code: Vec<Arc<Resident<Worlds>>>,
    /// What each component exports that was made ready.
    exports: BTreeMap<String, String>,
    http: Vec<(HttpTrigger, String)>,
    /// The triggers beside HTTP.
    triggers: Vec<Planned>,
    /// What its components want of other services, and what they have for them.
    pub(crate) wants: Vec<Want>,
    pub(crate) offers: Vec<Offer>,
    /// What it has made for the service is removed with it.
    _outside: Arc<dyn Outside>,
}

/// What is known of a component that is running.
#[derive(Clone, Debug)]
pub struct ServiceComponent {
    /// Its name.
    pub name: String,
    /// The digest of the bytes that run: `sha256:…`.
    pub digest: String,
    /// The world that it was taken for; none where no trigger calls it.
    pub world: Option<&'static str>,
}

impl Service {
    pub(crate) fn new(id: ServiceId, triggers: Vec<Planned>, outside: Arc<dyn Outside>) -> Self {
        Self {
            id,
            components: Vec::new(),
            callable: BTreeMap::new(),
            handlers: BTreeMap::new(),
            code: Vec::new(),
            exports: BTreeMap::new(),
            http: Vec::new(),
            triggers,
            wants: Vec::new(),
            offers: Vec::new(),
            _outside: outside,
        }
    }

    /// Whether one of its triggers beside HTTP calls a component.
    pub(crate) fn calls(&self, component: &str) -> bool {
        self.triggers.iter().any(|it| it.calls(component))
    }

    /// Its namespace and name.
    pub fn id(&self) -> &ServiceId {
        &self.id
    }

    /// The name of the service.
    pub fn name(&self) -> &str {
        &self.id.name
    }

    /// What runs, in the order of the manifest.
    pub fn components(&self) -> &[ServiceComponent] {
        &self.components
    }

    /// Which component answers which path.
    pub fn routes(&self) -> Routes {
        Routes::new(self.http.iter().filter_map(|(trigger, component)| {
            let handler = Arc::clone(self.callable.get(component)?) as Arc<dyn Handler>;
            // What is no route was refused.
            Target::of(trigger, handler).ok()
        }))
    }

    /// Whether a trigger of HTTP calls it.
    pub fn answers_http(&self) -> bool {
        !self.http.is_empty()
    }

    /// Starts its triggers, but for HTTP. They go on when the service is dropped, until they are shut down.
    pub fn start(&self) -> Triggers {
        triggers::start(
            (&self.id.namespace, &self.id.name),
            &self.triggers,
            &self.handlers,
        )
    }

    /// How many of its components are mapped. The others are files until they are called.
    pub fn mapped(&self) -> usize {
        self.code.iter().filter(|it| it.is_mapped()).count()
    }

    /// Unmaps every component that was not called since this was last done, as the host does from time to time.
    pub fn sweep(&self) {
        self.code.iter().for_each(|it| it.sweep());
    }

    pub(crate) fn add(&mut self, component: &Component, digest: String, callable: Callable) {
        let name = component.name.clone();
        self.code.push(callable.resident);
        self.wants.extend(callable.wants);
        self.offers.extend(callable.offers);
        self.exports.insert(name.clone(), callable.exports);
        let mut world = None;
        if let Some((handler, handled)) = callable.events {
            self.handlers.insert(name.clone(), handler);
            world = Some(handled);
        }
        if let Some((callable, answered)) = callable.http {
            self.callable.insert(name.clone(), callable);
            world = Some(answered);
        }
        self.components.push(ServiceComponent { name, digest, world });
    }

    /// A component that is ready in others alone.
    pub(crate) fn add_part(&mut self, component: &Component, digest: String) {
        self.components.push(ServiceComponent {
            name: component.name.clone(),
            digest,
            world: None,
        });
    }

    /// Connects triggers with the components that they call.
    pub(crate) fn route(&mut self, manifest: &WasmService) -> Result<(), ServiceError> {
        for (index, trigger) in manifest.spec.triggers.iter().enumerate() {
            match &trigger.http {
                Some(http) if self.callable.contains_key(&trigger.component) => {
                    self.http.push((http.clone(), trigger.component.clone()));
                }
                None if self.handlers.contains_key(&trigger.component) => {}
                _ => {
                    let exports = self.exports.get(&trigger.component);
                    return Err(uncallable(index, trigger, exports.cloned().unwrap_or_default()));
                }
            }
        }
        Ok(())
    }
}
