//! Components of pods: each is compiled already, and what it may reach outside of this process it reaches by way of somebody else. A
//! worker's counterpart of `host`.

use crate::command::variables;
use crate::machine::{Callers, Machine, Ready};
use crate::prepare::granted;
use crate::respond::HttpComponent;
use crate::stores::{self, PodStores};
use crate::values::{self, Objects};
use crate::world::CALLABLE;
use crate::{Program, ServiceError, Usage};
use shoal_api::{Component, Store};
use shoal_capability::{Dialer, GrantsBuilder, LogSink, Secret, Stdio};
use shoal_compile::Description;
use shoal_engine::{EngineError, Fault, PoolOptions};
use shoal_trigger::http::Handler;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A container of a pod.
pub struct PodComponent<'a> {
    /// What logs call it: `NAMESPACE/POD`.
    pub pod: &'a str,
    /// Its name, arguments, variables, capabilities and limits, all values resolved.
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
    /// Values of its secrets, by the names that it asks for.
    pub secrets: &'a BTreeMap<String, String>,
    /// The pod's id, and its stores: components of one pod share them.
    pub stores: (&'a str, &'a [Store]),
}

/// Runs components of pods.
pub struct Pods {
    machine: Machine,
    stores: PodStores,
}

/// A component that answers requests.
pub struct Serving {
    component: Arc<HttpComponent>,
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

    /// Makes a component ready that answers requests.
    ///
    /// # Errors
    ///
    /// Where it may not run, can't be loaded, or exports nothing that a request could call.
    pub fn serve(&self, pod: PodComponent<'_>) -> Result<Serving, ServiceError> {
        let (name, component) = (pod.pod, pod.component);
        let (ready, grants) = pod.split(&self.stores)?;
        let callable = self
            .machine
            .callable(name, &[(0, component)], ready, grants, Callers::default())?;
        match callable.http {
            Some((component, _)) => Ok(Serving { component }),
            None => Err(ServiceError::Exports {
                component: component.name.clone(),
                exports: callable.exports,
                wanted: format!("a pod that serves exports {CALLABLE}"),
            }),
        }
    }

    /// Makes a component ready that is run once.
    ///
    /// # Errors
    ///
    /// Where it may not run, can't be loaded, or is no program.
    pub fn program(&self, pod: PodComponent<'_>) -> Result<Program, ServiceError> {
        let (name, component) = (pod.pod, pod.component);
        let (ready, grants) = pod.split(&self.stores)?;
        self.machine.program(name, component, &ready, grants)
    }
}

impl PodComponent<'_> {
    fn split(self, open: &PodStores) -> Result<(Ready, GrantsBuilder), ServiceError> {
        let Self {
            pod,
            component,
            digest,
            compiled,
            description,
            dialer,
            logs,
            secrets,
            stores: (pod_id, stores),
        } = self;
        let mut problems = shoal_api::pod::unsupported(component);
        problems.extend(shoal_api::pod::unsupported_stores(stores));
        let objects = Objects::default();
        let given = &component.capabilities.config;
        let config = values::configuration(given, "component", &objects, &mut problems);
        if !problems.is_empty() {
            return Err(ServiceError::Manifest(problems));
        }
        let mut grants = GrantsBuilder {
            env: variables(component)?,
            config,
            secrets: secrets
                .iter()
                .map(|(name, value)| (name.clone(), Secret::new(value.as_bytes())))
                .collect(),
            stdio: Stdio::Lines {
                sink: logs,
                rate: component.limits.log_rate.bytes(),
            },
            ..granted(pod, component)?
        };
        let opened = stores.iter().map(|store| {
            let memory = open.memory(pod_id, &store.name);
            (store.name.as_str(), memory as _)
        });
        grants.stores = stores::granted(component, &opened.collect());
        if let Some(network) = &mut grants.network {
            network.dialer = dialer;
        }
        let ready = Ready {
            digest,
            compiled,
            description,
        };
        Ok((ready, grants))
    }
}

impl Serving {
    /// Answers requests.
    pub fn handler(&self) -> Arc<dyn Handler> {
        Arc::clone(&self.component) as _
    }

    /// Makes an instance and throws it away: one that can't start should not wait for its first request to say so.
    ///
    /// # Errors
    ///
    /// What ended its start.
    pub fn try_start(&self) -> impl Future<Output = Result<(), Fault>> + Send + 'static {
        let component = Arc::clone(&self.component);
        async move { component.try_start().await }
    }

    /// What it has used, and uses now.
    pub fn usage(&self) -> Usage {
        self.component.unit.usage()
    }
}
