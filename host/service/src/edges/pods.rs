//! Components of pods: each is compiled already, and what it may reach outside of this process it reaches by way of somebody else. A
//! worker's counterpart of `host`.

use crate::assembly::assembler::Assembler;
use crate::assembly::fields::Fields;
use crate::assembly::grants::{Described, Granted, Group};
use crate::assembly::machine::Callable;
use crate::assembly::triggers::Planned;
use crate::call::world::Callers;
use crate::edges::outside::{Access, PodOutside};
use crate::edges::serving::{Due, Serving};
use crate::{Admit, Compiled, Objects, Program, ServiceError, ServiceId, Supplied, Supply};
use async_trait::async_trait;
use shoal_api::pod::Values;
use shoal_api::{Component, Store, Trigger};
use shoal_capability::{Dialer, LogSink};
use shoal_description::{Description, HANDLES_EVENTS, HANDLES_REQUESTS};
use shoal_engine::{EngineError, PoolOptions};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
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
    assembler: Assembler,
}

/// What the daemon supplied with the container.
struct FromDaemon(Compiled);

#[async_trait]
impl Supply for FromDaemon {
    async fn supply(
        &self,
        _components: &[&Component],
        _roots: &[usize],
        _admit: &Admit<'_>,
    ) -> Result<Supplied, ServiceError> {
        Ok(Supplied {
            digests: Vec::new(),
            roots: vec![self.0.clone()],
        })
    }
}

impl Pods {
    /// Starts the engines, each with a pool of this size: from here on nothing outside of compiled files is opened. A component that
    /// nobody called for `unload_after`, and no longer than twice it, is unmapped.
    ///
    /// # Errors
    ///
    /// Where a pool's address space cannot be reserved.
    pub fn new(pool: PoolOptions, unload_after: Duration) -> Result<Self, EngineError> {
        let assembler = Assembler::new(pool, unload_after);
        assembler.start()?;
        Ok(Self { assembler })
    }

    /// Makes services in this process, beside the pods that it runs.
    pub fn assembler(&self) -> &Assembler {
        &self.assembler
    }

    /// Makes a component ready that answers requests, where it `listens`, and handles the messages of its triggers.
    ///
    /// # Errors
    ///
    /// Where it may not run, can't be loaded, or does not export what those who call it need.
    pub async fn serve(&self, pod: PodComponent<'_>, listens: bool) -> Result<Serving, ServiceError> {
        let (component, service) = (pod.component, pod.service);
        let triggers: Vec<_> = pod.triggers.iter().filter(|it| it.http.is_none()).collect();
        let handles = !triggers.is_empty();
        let (callable, planned) = self.callable(pod, handles).await?;
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
        if handles && events.is_none() {
            let names: Vec<_> = triggers.iter().map(|it| it.name.as_str()).collect();
            return Err(lacks(format!(
                "what the messages of {} call exports {HANDLES_EVENTS}",
                names.join(", ")
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
        self.with(pod, |group, granted, compiled| {
            self.assembler.program(group, &granted, compiled)
        })
        .await
    }

    /// Makes a component ready that the schedule `trigger` calls once, in a pod of its own.
    ///
    /// # Errors
    ///
    /// Where it may not run, can't be loaded, or exports nothing that a point in time calls.
    pub async fn due(&self, pod: PodComponent<'_>, trigger: &str) -> Result<Due, ServiceError> {
        let component = pod.component;
        let (callable, _) = self.callable(pod, true).await?;
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

    async fn callable(
        &self,
        pod: PodComponent<'_>,
        events: bool,
    ) -> Result<(Callable, Vec<Planned>), ServiceError> {
        self.with(pod, |group, mut granted, compiled| {
            let callers = Callers {
                services: false,
                events,
            };
            let planned = std::mem::take(&mut granted.triggers);
            let callable = self.assembler.callable(group, &granted, compiled, callers)?;
            Ok((callable, planned))
        })
        .await
    }

    /// Makes something of a container's components and of all that they are given.
    async fn with<T>(
        &self,
        pod: PodComponent<'_>,
        make: impl FnOnce(&Group<'_>, Granted, Compiled) -> Result<T, ServiceError> + Send,
    ) -> Result<T, ServiceError> {
        let PodComponent {
            pod: label,
            id,
            service: (namespace, name),
            component,
            digest,
            compiled,
            description,
            dialer,
            logs,
            values,
            stores,
            files,
            directories,
            triggers,
            parts,
        } = pod;
        let mut described = vec![(component, Objects::from(values), stores)];
        let mut accesses = Vec::new();
        for part in parts {
            described.push((part.component, Objects::from(part.values), part.stores));
            accesses.push(Access::new(part.dialer, part.logs, part.directories));
        }
        let outside = PodOutside {
            pod: id.to_owned(),
            files: Mutex::new(files),
            own: Access::new(dialer, logs, directories),
            parts: accesses,
        };
        let components = described.iter().map(|(component, objects, stores)| Described {
            component,
            objects,
            stores,
        });
        let group = Group {
            id: &ServiceId::new(namespace, name),
            label,
            fields: Fields::Pod,
            manifest: None,
            components: components.collect(),
            triggers,
            outside: &outside,
        };
        let members = group.components.iter().map(|it| it.component);
        let unsupported = members.flat_map(shoal_api::pod::unsupported).collect();
        let places = (0..group.components.len()).collect();
        let supply = FromDaemon(Compiled::new(compiled, digest, description, places));
        let (granted, supplied) = self.assembler.prepare(&group, &[0], &supply, unsupported).await?;
        let compiled = supplied.roots.into_iter().next();
        make(
            &group,
            granted,
            compiled.ok_or_else(|| ServiceError::Manifest(Vec::new()))?,
        )
    }
}
