//! A component as all who call it see it. One row of code for all of them: it is mapped and unmapped once, whoever calls.

use super::{EventWorld, HttpWorld};
use crate::call::limits::ReuseLimits;
use crate::code::instances::{Instances, Template};
use crate::code::linked::{LinkError, Linked};
use shoal_capability::State;
use shoal_description::Description;
use std::sync::Arc;
use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

/// Who calls a component beside requests.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Callers {
    /// Other services may.
    pub(crate) services: bool,
    /// Messages or points in time do.
    pub(crate) events: bool,
}

/// What each of its callers calls; none where it is no such thing, or where nobody calls it so.
pub(crate) struct Worlds {
    http: Option<HttpWorld>,
    events: Option<EventWorld>,
    exports: Option<Arc<Instances<Plain>>>,
}

/// A component whose exports are called by name.
pub(crate) struct Plain(InstancePre<State>);

impl Template for Plain {
    type Instance = Instance;

    async fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<Instance> {
        self.0.instantiate_async(store).await
    }
}

impl Worlds {
    pub(crate) fn of(
        description: &Description,
        linked: &Arc<Linked>,
        reuse: Option<ReuseLimits>,
        callers: Callers,
    ) -> wasmtime::Result<Self> {
        let events = match callers.events {
            true => EventWorld::of(description, linked, reuse).transpose()?,
            false => None,
        };
        let offers = callers.services && description.own_exports().next().is_some();
        // A core module has no interfaces.
        let exports = linked.component().ok().filter(|_| offers);
        Ok(Self {
            http: HttpWorld::of(description, linked, reuse).transpose()?,
            events,
            exports: exports.map(|pre| Instances::new(Plain(pre.clone()), linked, reuse)),
        })
    }

    /// As requests call it.
    pub(crate) fn http(&self) -> Result<&HttpWorld, LinkError> {
        self.http.as_ref().ok_or(LinkError::Uncallable)
    }

    /// As messages and points in time call it.
    pub(crate) fn events(&self) -> Result<&EventWorld, LinkError> {
        self.events.as_ref().ok_or(LinkError::Uncallable)
    }

    /// As other services call it.
    pub(crate) fn exports(&self) -> Result<&Arc<Instances<Plain>>, LinkError> {
        self.exports.as_ref().ok_or(LinkError::Uncallable)
    }
}
