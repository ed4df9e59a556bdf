//! What a pod's component is given, before it is taken for anything: its grants, and those of the components that are in its code.

use super::PodComponent;
use crate::ServiceError;
use crate::assembly::channels;
use crate::assembly::machine::Ready;
use crate::assembly::redis::Clients;
use crate::assembly::stores::{self, PodParts, PodStores};
use crate::assembly::triggers::{self, Planned};
use crate::assembly::values::{self, Objects};
use crate::assembly::volumes;
use crate::edges::prepare::{granted, with_linked};
use shoal_api::pod::TRIGGERS;
use shoal_api::{Component, Problem, Store};
use shoal_artifact::Pin;
use shoal_capability::{Dialer, Folder, GrantsBuilder, LogSink, Stdio};
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// A component with all that it is given.
pub(super) struct Furnished<'a> {
    pub(super) pod: &'a str,
    pub(super) service: (&'a str, &'a str),
    pub(super) component: &'a Component,
    /// All that are in it, with their places, itself first.
    pub(super) parts: Vec<(usize, &'a Component)>,
    pub(super) ready: Ready,
    pub(super) grants: GrantsBuilder,
    pub(super) planned: Vec<Planned>,
}

/// What grants of a component are made of.
struct Given<'a> {
    component: &'a Component,
    dialer: &'a Arc<dyn Dialer>,
    logs: Arc<dyn LogSink>,
    objects: &'a Objects,
    clients: &'a Clients,
    stores: &'a [Store],
    directories: Vec<OwnedFd>,
}

impl<'a> PodComponent<'a> {
    pub(super) async fn furnish(self, open: &PodStores) -> Result<Furnished<'a>, ServiceError> {
        let Self {
            pod,
            id,
            service,
            component,
            digest,
            compiled,
            description,
            dialer,
            logs,
            values,
            stores,
            mut files,
            directories,
            triggers,
            mut parts,
        } = self;
        let mut problems = Vec::new();
        let objects = Objects::from(values);
        let clients = Clients::through(Arc::clone(&dialer));
        let mut kept = PodParts {
            pod: id,
            service,
            files: &mut files,
        };
        let given = Given {
            component,
            dialer: &dialer,
            logs,
            objects: &objects,
            clients: &clients,
            stores,
            directories,
        };
        let mut grants = vec![given.grants(pod, open, &mut kept, &mut problems).await?];
        for part in &mut parts {
            let given = Given {
                component: part.component,
                dialer: &part.dialer,
                logs: Arc::clone(&part.logs),
                objects: &Objects::from(part.values),
                clients: &Clients::through(Arc::clone(&part.dialer)),
                stores: part.stores,
                directories: std::mem::take(&mut part.directories),
            };
            grants.push(given.grants(pod, open, &mut kept, &mut problems).await?);
        }
        let planned = triggers::plan(
            (triggers, &format!("metadata.annotations[{TRIGGERS}]")),
            std::slice::from_ref(component),
            &clients,
            &objects,
            &mut problems,
        );
        if !problems.is_empty() {
            return Err(ServiceError::Manifest(problems));
        }
        let ready = Ready {
            digest,
            compiled,
            // The daemon keeps what its workers use.
            pin: Pin::default(),
            description,
        };
        let parts = parts.into_iter().map(|part| part.component);
        let parts: Vec<_> = std::iter::once(component).chain(parts).enumerate().collect();
        Ok(Furnished {
            pod,
            service,
            component,
            grants: with_linked(&grants, &parts)?,
            parts,
            ready,
            planned,
        })
    }
}

impl Given<'_> {
    async fn grants(
        self,
        pod: &str,
        open: &PodStores,
        kept: &mut PodParts<'_>,
        problems: &mut Vec<Problem>,
    ) -> Result<GrantsBuilder, ServiceError> {
        let Self {
            component,
            dialer,
            logs,
            objects,
            clients,
            stores,
            directories,
        } = self;
        problems.extend(shoal_api::pod::unsupported(component));
        let (at, config) = ("component", &component.capabilities.config);
        let opened = open.of(stores, kept, (clients, objects), problems).await?;
        let folders = component.capabilities.filesystem.iter().zip(directories);
        let folders = folders.map(|(grant, folder)| volumes::mount(Folder::Opened(Arc::new(folder)), grant));
        let mut grants = GrantsBuilder {
            mounts: folders.collect(),
            env: values::environment(component, at, objects, problems),
            config: values::configuration(config, at, objects, problems),
            secrets: values::secrets(component, at, objects, problems),
            channels: channels::granted(component, at, (clients, objects), problems),
            stdio: Stdio::Lines {
                sink: logs,
                rate: component.limits.log_rate.bytes(),
            },
            stores: stores::granted(component, &opened),
            ..granted(pod, component)?
        };
        if let Some(network) = &mut grants.network {
            network.dialer = Arc::clone(dialer);
        }
        Ok(grants)
    }
}
