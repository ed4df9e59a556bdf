//! Components of pods: each is compiled already, and what it may reach outside of this process it reaches by way of somebody else. A
//! worker's counterpart of `host`.

mod furnish;

use crate::assembly::machine::{Callable, Machine};
use crate::assembly::stores::PodStores;
use crate::assembly::triggers::{self, Planned, Triggers};
use crate::call::events::EventComponent;
use crate::call::respond::HttpComponent;
use crate::call::unit::Unit;
use crate::call::world::Callers;
use crate::{Program, ServiceError, Usage};
use furnish::Furnished;
use shoal_api::pod::Values;
use shoal_api::{Component, Store, Trigger};
use shoal_capability::{Dialer, LogSink};
use shoal_description::{Description, HANDLES_EVENTS, HANDLES_REQUESTS};
use shoal_engine::{EngineError, Fault, PoolOptions};
use shoal_trigger::event::{Failed, Handler as _};
use shoal_trigger::http::Handler;
use shoal_trigger::schedule;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A container of a pod.
pub struct PodComponent<'a> {
    /// What logs call it: `NAMESPACE/POD`.
    pub pod: &'a str,
    /// The pod's id: components of one pod share its stores.
    pub id: &'a str,
    /// Namespace and name of the service that the pod is a replica of: what replicas share is called by it.
    pub service: (&'a str, &'a str),
    /// Its name, arguments, variables, capabilities and limits.
    pub component: &'a Component,
    /// The digest of the WebAssembly.
    pub digest: String,
    /// Its compiled file.
    pub compiled: PathBuf,
    /// What the compiler read from it.
    pub description: Description,
    /// Who resolves and connects for it.
    pub dialer: Arc<dyn Dialer>,
    /// Where its output goes.
    pub logs: Arc<dyn LogSink>,
    /// What its grants, stores and triggers refer to.
    pub values: &'a Values,
    /// The stores that it is granted.
    pub stores: &'a [Store],
    /// The files of those that are persistent, by the store's name, open for reading and writing.
    pub files: BTreeMap<String, File>,
    /// The directories that it is granted, in the order of its grants.
    pub directories: Vec<OwnedFd>,
    /// The triggers that call it, but for HTTP.
    pub triggers: &'a [Trigger],
    /// Those that are in its code, in the order of their places from 1 on.
    pub parts: Vec<PodPart<'a>>,
}

/// A component of a pod that is in another one's code. It keeps its own grants.
pub struct PodPart<'a> {
    /// Its name, arguments, variables, capabilities and limits.
    pub component: &'a Component,
    /// Who resolves and connects for it.
    pub dialer: Arc<dyn Dialer>,
    /// Where its output goes.
    pub logs: Arc<dyn LogSink>,
    /// What its grants and stores refer to.
    pub values: &'a Values,
    /// The stores that it is granted.
    pub stores: &'a [Store],
    /// The directories that it is granted, in the order of its grants.
    pub directories: Vec<OwnedFd>,
}

/// Runs components of pods.
pub struct Pods {
    machine: Machine,
    stores: PodStores,
}

/// A component that is called until it is stopped: by requests, by messages, or both.
pub struct Serving {
    unit: Arc<Unit>,
    http: Option<Arc<HttpComponent>>,
    events: Option<Arc<EventComponent>>,
    component: String,
    service: (String, String),
    planned: Vec<Planned>,
}

/// A component that a schedule's pod calls once.
pub struct Due {
    component: Arc<EventComponent>,
    trigger: String,
}

impl Pods {
    /// Starts the engines, each with a pool of this size: from here on nothing outside of compiled files is opened. A component that
    /// nobody called for `unload_after`, and no longer than twice it, is unmapped.
    ///
    /// # Errors
    ///
    /// Where a pool's address space cannot be reserved.
    pub fn new(pool: PoolOptions, unload_after: Duration) -> Result<Self, EngineError> {
        let machine = Machine::new(pool, unload_after);
        machine.start()?;
        Ok(Self {
            machine,
            stores: PodStores::default(),
        })
    }

    /// Makes a component ready that answers requests, where it `listens`, and handles the messages of its triggers.
    ///
    /// # Errors
    ///
    /// Where it may not run, can't be loaded, or does not export what those who call it need.
    pub async fn serve(&self, pod: PodComponent<'_>, listens: bool) -> Result<Serving, ServiceError> {
        let furnished = pod.furnish(&self.stores).await?;
        let (service, component) = (furnished.service, furnished.component);
        let triggers: Vec<_> = furnished.planned.iter().map(Planned::name).collect();
        let (wanted, triggers) = (!triggers.is_empty(), triggers.join(", "));
        let (callable, planned) = self.callable(furnished, wanted)?;
        let http = callable.http.map(|(component, _)| component);
        let events = callable.events.map(|(component, _)| component);
        let lacks = |wanted: String| ServiceError::Exports {
            component: component.name.clone(),
            exports: callable.exports.clone(),
            wanted,
        };
        if listens && http.is_none() {
            return Err(lacks(format!("a pod that serves exports {HANDLES_REQUESTS}")));
        }
        if wanted && events.is_none() {
            return Err(lacks(format!(
                "what the messages of {triggers} call exports {HANDLES_EVENTS}"
            )));
        }
        let unit = http.as_ref().map(|it| &it.unit);
        let unit = unit.or(events.as_ref().map(|it| &it.unit)).cloned();
        Ok(Serving {
            unit: unit.ok_or_else(|| lacks(format!("a pod that serves exports {HANDLES_REQUESTS}")))?,
            http: http.filter(|_| listens),
            events,
            component: component.name.clone(),
            service: (service.0.to_owned(), service.1.to_owned()),
            planned,
        })
    }

    /// Makes a component ready that is run once.
    ///
    /// # Errors
    ///
    /// Where it may not run, can't be loaded, or is no program.
    pub async fn program(&self, pod: PodComponent<'_>) -> Result<Program, ServiceError> {
        let it = pod.furnish(&self.stores).await?;
        self.machine.program(it.pod, it.component, &it.ready, it.grants)
    }

    /// Makes a component ready that the schedule `trigger` calls once, in a pod of its own.
    ///
    /// # Errors
    ///
    /// Where it may not run, can't be loaded, or exports nothing that a point in time calls.
    pub async fn due(&self, pod: PodComponent<'_>, trigger: &str) -> Result<Due, ServiceError> {
        let furnished = pod.furnish(&self.stores).await?;
        let component = furnished.component;
        let (callable, _) = self.callable(furnished, true)?;
        match callable.events {
            Some((component, _)) => Ok(Due {
                component,
                trigger: trigger.to_owned(),
            }),
            None => Err(ServiceError::Exports {
                component: component.name.clone(),
                exports: callable.exports,
                wanted: format!("what the schedule {trigger} calls exports {HANDLES_EVENTS}"),
            }),
        }
    }

    fn callable(
        &self,
        furnished: Furnished<'_>,
        events: bool,
    ) -> Result<(Callable, Vec<Planned>), ServiceError> {
        let Furnished {
            pod,
            parts,
            ready,
            grants,
            planned,
            ..
        } = furnished;
        let callers = Callers {
            services: false,
            events,
        };
        let callable = self.machine.callable(pod, &parts, ready, grants, callers)?;
        Ok((callable, planned))
    }
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
