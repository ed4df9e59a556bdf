//! What `pods` makes of a container: a component that is called until it is stopped, or once. Programs are in `command`.

use crate::Usage;
use crate::assembly::triggers::{self, Planned, Triggers};
use crate::call::events::EventComponent;
use crate::call::respond::HttpComponent;
use crate::call::unit::Unit;
use shoal_engine::Fault;
use shoal_trigger::event::{Failed, Handler as _};
use shoal_trigger::http::Handler;
use shoal_trigger::schedule;
use std::sync::Arc;

/// A component that is called until it is stopped: by requests, by messages, or both.
pub struct Serving {
    pub(super) unit: Arc<Unit>,
    pub(super) http: Option<Arc<HttpComponent>>,
    pub(super) events: Option<Arc<EventComponent>>,
    pub(super) component: String,
    pub(super) service: (String, String),
    pub(super) planned: Vec<Planned>,
}

/// A component that a schedule's pod calls once.
pub struct Due {
    pub(super) component: Arc<EventComponent>,
    pub(super) trigger: String,
}

impl Serving {
    /// Answers requests, where it does.
    pub fn handler(&self) -> Option<Arc<dyn Handler>> {
        self.http.clone().map(|it| it as _)
    }

    /// Makes an instance and throws it away: one that can't start should not wait for its first request to say so.
    ///
    /// # Errors
    ///
    /// What ended its start.
    pub fn try_start(&self) -> impl Future<Output = Result<(), Fault>> + Send + 'static {
        let component = self.http.clone();
        async move {
            match component {
                Some(component) => component.try_start().await,
                None => Ok(()),
            }
        }
    }

    /// Starts its triggers, until they are shut down or dropped.
    pub fn start(&self) -> Triggers {
        let component = self.events.iter();
        let components = component.map(|it| (self.component.clone(), Arc::clone(it)));
        let (namespace, service) = &self.service;
        triggers::start((namespace, service), &self.planned, &components.collect())
    }

    /// What it has used, and uses now.
    pub fn usage(&self) -> Usage {
        self.unit.usage()
    }
}

impl Due {
    /// Calls it, for now.
    ///
    /// # Errors
    ///
    /// Why it did not go well.
    pub async fn run(&self) -> Result<(), Failed> {
        let now = schedule::Timestamp::now();
        self.component.handle(schedule::event(&self.trigger, now)).await
    }

    /// What it has used, and uses now.
    pub fn usage(&self) -> Usage {
        self.component.unit.usage()
    }
}
