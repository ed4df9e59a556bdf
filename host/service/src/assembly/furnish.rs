//! The one line that says what a component is given: variables, configuration, secrets, stores, channels, directories, network, logs.
//! What it may be given was written by whoever described it; where all of this comes from is behind [`Outside`].

use crate::assembly::channels;
use crate::assembly::fields::Fields;
use crate::assembly::outside::{Output, Outside};
use crate::assembly::redis::{Clients, Servers};
use crate::assembly::stores::{self, Opener, Stores};
use crate::assembly::triggers::{self, Called, Planned};
use crate::assembly::values::{self, Objects};
use crate::{ServiceError, ServiceId};
use shoal_api::{Component, Problem, Store, Trigger};
use shoal_capability::keyvalue::KeyValue;
use shoal_capability::{GrantsBuilder, NetworkOptions, Policy, Stdio};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the services of a process share of what they are given.
#[derive(Default)]
pub(crate) struct Goods {
    pub(crate) stores: Stores,
    pub(crate) clients: Clients,
}

/// Components that belong together: those of a service, or those in one container of a pod.
pub(crate) struct Order<'a> {
    /// The service that they are of: what replicas share is named after it.
    pub(crate) id: &'a ServiceId,
    /// What logs call it.
    pub(crate) label: &'a str,
    /// Where its components are described.
    pub(crate) fields: Fields,
    /// Its components, in the order of their places.
    pub(crate) given: Vec<Given<'a>>,
    /// Its triggers.
    pub(crate) triggers: &'a [Trigger],
    pub(crate) outside: &'a dyn Outside,
}

/// What is written of one component.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a> {
    pub(crate) component: &'a Component,
    /// What its grants, stores and triggers refer to.
    pub(crate) objects: &'a Objects,
    /// The stores that its grants refer to.
    pub(crate) stores: &'a [Store],
}

/// What components are given.
pub(crate) struct Furnished {
    /// The grants of each component, in the order of their places.
    pub(crate) grants: Vec<GrantsBuilder>,
    /// The triggers beside HTTP.
    pub(crate) triggers: Vec<Planned>,
}

impl Goods {
    /// Makes all that these components are given ready. `problems` are those that were found before.
    pub(crate) async fn furnish(
        &self,
        order: &Order<'_>,
        mut problems: Vec<Problem>,
    ) -> Result<Furnished, ServiceError> {
        problems.extend(order.outside.problems());
        let mut opened = Vec::new();
        for (place, given) in order.given.iter().enumerate() {
            let opener = Opener {
                stores: &self.stores,
                service: order.id,
                outside: order.outside,
                servers: &self.servers(order, place, given),
            };
            let at = |index, name: &str| order.fields.store(index, name);
            opened.push(opener.open(given.stores, at, &mut problems).await?);
        }
        let mut grants = Vec::new();
        for (place, (given, opened)) in order.given.iter().zip(&opened).enumerate() {
            grants.push(self.grants(order, place, (given, opened), &mut problems).await?);
        }
        let called = order.given.iter().enumerate();
        let called: Vec<_> = called
            .map(|(place, given)| Called {
                component: given.component,
                servers: self.servers(order, place, given),
            })
            .collect();
        let at = order.fields.triggers();
        let triggers = triggers::plan((order.triggers, &at), &called, &mut problems);
        if problems.is_empty() {
            return Ok(Furnished { grants, triggers });
        }
        Err(ServiceError::Manifest(distinct(problems)))
    }

    async fn grants(
        &self,
        order: &Order<'_>,
        place: usize,
        (given, opened): (&Given<'_>, &BTreeMap<&str, Arc<dyn KeyValue>>),
        problems: &mut Vec<Problem>,
    ) -> Result<GrantsBuilder, ServiceError> {
        let Given {
            component, objects, ..
        } = *given;
        let at = order.fields.component(place);
        let outside = order.outside;
        let stdio = match outside.output(place, component) {
            Output::Log(sink) => Stdio::Lines {
                sink,
                rate: component.limits.log_rate.bytes(),
            },
            Output::Inherited => Stdio::Inherit,
        };
        let mut args = vec![component.name.clone()];
        args.extend(component.args.iter().cloned());
        let mut grants = GrantsBuilder {
            component: format!("{}/{}", order.label, component.name),
            args,
            env: values::environment(component, &at, objects, problems),
            config: values::configuration(&component.capabilities.config, &at, objects, problems),
            secrets: values::secrets(component, &at, objects, problems),
            channels: channels::granted(component, &at, &self.servers(order, place, given), problems),
            mounts: outside.mounts(place, component).await?,
            stdio,
            stores: stores::granted(component, opened),
            network: network(order, place, component)?,
            ..GrantsBuilder::default()
        };
        if let Some(clocks) = &component.capabilities.clocks {
            grants.clock_resolution = clocks.resolution.as_std();
        }
        Ok(grants)
    }

    fn servers<'a>(&'a self, order: &Order<'_>, place: usize, given: &Given<'a>) -> Servers<'a> {
        Servers {
            clients: &self.clients,
            dialer: order.outside.dialer(place),
            objects: given.objects,
        }
    }
}

/// The network that a component is granted, as it is reached from here.
fn network(
    order: &Order<'_>,
    place: usize,
    component: &Component,
) -> Result<Option<NetworkOptions>, ServiceError> {
    let Some(network) = &component.capabilities.network else {
        return Ok(None);
    };
    let policy = Policy::new(network).map_err(|source| ServiceError::Capability {
        component: component.name.clone(),
        source: source.into(),
    })?;
    Ok(Some(NetworkOptions {
        dialer: order.outside.dialer(place),
        neighbours: order.outside.neighbours(),
        ..NetworkOptions::local(policy, component.limits.outbound_connections)
    }))
}

/// What several components have in common is wrong once.
fn distinct(problems: Vec<Problem>) -> Vec<Problem> {
    let mut all: Vec<Problem> = Vec::new();
    for problem in problems {
        if !all.contains(&problem) {
            all.push(problem);
        }
    }
    all
}

impl Furnished {
    /// The grants of the first of these components, with those of the others as what is linked into it. They are built for each whole
    /// anew: a limit on what a component prints counts where it runs.
    pub(crate) fn of_whole(&self, parts: &[(usize, &Component)]) -> Result<GrantsBuilder, ServiceError> {
        let mut builders = parts
            .iter()
            .filter_map(|(at, it)| Some((self.grants.get(*at)?.clone(), it)));
        let mut root = builders.next().map(|(builder, _)| builder).unwrap_or_default();
        for (builder, component) in builders {
            let built = builder.build().map_err(|source| ServiceError::Capability {
                component: component.name.clone(),
                source,
            })?;
            root.linked.push(built);
        }
        Ok(root)
    }
}

impl<'a> Order<'a> {
    /// What has one share of the pool and of the lane: a service with all of its components, or a pod.
    pub(crate) fn share(&self) -> String {
        match self.fields {
            Fields::Manifest => self.id.to_string(),
            Fields::Pod | Fields::Command => self.label.to_owned(),
        }
    }

    /// The components at these places.
    pub(crate) fn parts(&self, places: &[usize]) -> Vec<(usize, &'a Component)> {
        let parts = places
            .iter()
            .filter_map(|at| Some((*at, self.given.get(*at)?.component)));
        parts.collect()
    }
}
