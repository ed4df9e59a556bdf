//! What a component is given: variables, configuration, secrets, stores, channels, directories, network, logs. This is the only place that
//! decides it, for every way to describe a component; where these things come from is behind [`Outside`].

use crate::assembly::channels;
use crate::assembly::fields::Fields;
use crate::assembly::outside::{Output, Outside};
use crate::assembly::redis::{Clients, Servers};
use crate::assembly::stores::{self, Opener, Stores};
use crate::assembly::tls;
use crate::assembly::triggers::{self, Called, Planned};
use crate::assembly::values::{self, Objects, Sources};
use crate::{ServiceError, ServiceId};
use shoal_api::{Component, NetworkGrant, Problem, Store, Trigger, WasmService};
use shoal_capability::keyvalue::KeyValue;
use shoal_capability::{GrantsBuilder, NetworkOptions, Policy, Stdio};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the services of a process share.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) stores: Stores,
    pub(crate) clients: Clients,
}

/// Components that belong together: those of a service, or those in one container of a pod.
pub(crate) struct Group<'a> {
    /// The service that they are of. What replicas share is named after it.
    pub(crate) id: &'a ServiceId,
    /// Its name in logs.
    pub(crate) label: &'a str,
    /// Where its components are described.
    pub(crate) fields: Fields,
    /// Its manifest, for variables that are read from fields of a pod. None where kubelet has read them.
    pub(crate) manifest: Option<&'a WasmService>,
    /// Its components, in the order of their places.
    pub(crate) components: Vec<Described<'a>>,
    /// Its triggers.
    pub(crate) triggers: &'a [Trigger],
    pub(crate) outside: &'a dyn Outside,
}

/// One component, as it is described.
#[derive(Clone, Copy)]
pub(crate) struct Described<'a> {
    pub(crate) component: &'a Component,
    /// What its grants, stores and triggers refer to.
    pub(crate) objects: &'a Objects,
    /// The stores that its grants refer to.
    pub(crate) stores: &'a [Store],
}

/// What a group is given.
pub(crate) struct Granted {
    /// The grants of each component, in the order of their places.
    pub(crate) grants: Vec<GrantsBuilder>,
    /// The triggers beside HTTP.
    pub(crate) triggers: Vec<Planned>,
}

/// A component with the stores of its group.
struct Member<'a> {
    place: usize,
    described: &'a Described<'a>,
    stores: &'a BTreeMap<&'a str, Arc<dyn KeyValue>>,
}

impl Shared {
    /// Makes everything that these components are given. `problems` are those that were found before.
    pub(crate) async fn grant(
        &self,
        group: &Group<'_>,
        mut problems: Vec<Problem>,
    ) -> Result<Granted, ServiceError> {
        problems.extend(group.outside.problems());
        let mut opened = Vec::new();
        for (place, described) in group.components.iter().enumerate() {
            let opener = Opener {
                stores: &self.stores,
                service: group.id,
                outside: group.outside,
                servers: &self.servers(group, place, described),
            };
            let at = |index, name: &str| group.fields.store(index, name);
            opened.push(opener.open(described.stores, at, &mut problems).await?);
        }
        let mut grants = Vec::new();
        for (place, (described, stores)) in group.components.iter().zip(&opened).enumerate() {
            let member = Member {
                place,
                described,
                stores,
            };
            grants.push(self.grants(group, &member, &mut problems).await?);
        }
        let called = group.components.iter().enumerate();
        let called: Vec<_> = called
            .map(|(place, described)| Called {
                component: described.component,
                servers: self.servers(group, place, described),
            })
            .collect();
        let at = group.fields.triggers();
        let triggers = triggers::plan((group.triggers, &at), &called, &mut problems);
        if problems.is_empty() {
            return Ok(Granted { grants, triggers });
        }
        Err(ServiceError::Manifest(distinct(problems)))
    }

    async fn grants(
        &self,
        group: &Group<'_>,
        member: &Member<'_>,
        problems: &mut Vec<Problem>,
    ) -> Result<GrantsBuilder, ServiceError> {
        let Member {
            place,
            described,
            stores,
        } = *member;
        let (component, objects) = (described.component, described.objects);
        let (at, outside) = (group.fields.component(place), group.outside);
        let stdio = match outside.output(place, component) {
            Output::Log(sink) => Stdio::Lines {
                sink,
                rate: component.limits.log_rate.bytes(),
            },
            Output::Inherited => Stdio::Inherit,
        };
        let sources = Sources {
            objects,
            service: group.manifest,
        };
        let mut args = vec![component.name.clone()];
        args.extend(component.args.iter().cloned());
        let mut grants = GrantsBuilder {
            component: format!("{}/{}", group.label, component.name),
            args,
            env: values::environment(component, &at, sources, problems),
            config: values::configuration(&component.capabilities.config, &at, objects, problems),
            secrets: values::secrets(component, &at, objects, problems),
            channels: channels::granted(component, &at, &self.servers(group, place, described), problems),
            mounts: outside.mounts(place, component).await?,
            stdio,
            stores: stores::granted(component, stores),
            network: network(group, place, described, problems)?,
            ..GrantsBuilder::default()
        };
        if let Some(clocks) = &component.capabilities.clocks {
            grants.clock_resolution = clocks.resolution.as_std();
        }
        Ok(grants)
    }

    fn servers<'a>(&'a self, group: &Group<'_>, place: usize, described: &Described<'a>) -> Servers<'a> {
        Servers {
            clients: &self.clients,
            dialer: group.outside.dialer(place),
            objects: described.objects,
        }
    }
}

/// The network that a component is granted, as its outside reaches it.
fn network(
    group: &Group<'_>,
    place: usize,
    described: &Described<'_>,
    problems: &mut Vec<Problem>,
) -> Result<Option<NetworkOptions>, ServiceError> {
    let component = described.component;
    let granted = &component.capabilities;
    // What is never used may be imported without a grant: it is there, and leads nowhere.
    let nowhere = (!granted.unused_imports.is_empty()).then(NetworkGrant::default);
    let Some(network) = granted.network.as_ref().or(nowhere.as_ref()) else {
        return Ok(None);
    };
    let policy = Policy::new(network).map_err(|source| ServiceError::Capability {
        component: component.name.clone(),
        source: source.into(),
    })?;
    Ok(Some(NetworkOptions {
        dialer: group.outside.dialer(place),
        neighbours: group.outside.neighbours(),
        tls: tls::granted(
            component,
            &group.fields.component(place),
            described.objects,
            problems,
        ),
        ..NetworkOptions::local(policy, component.limits.outbound_connections)
    }))
}

/// A mistake in what several components share is reported once.
fn distinct(problems: Vec<Problem>) -> Vec<Problem> {
    let mut all: Vec<Problem> = Vec::new();
    for problem in problems {
        if !all.contains(&problem) {
            all.push(problem);
        }
    }
    all
}

impl Granted {
    /// The grants of the first of these components, with those of the others as what is linked into it. They are built for each root anew:
    /// a limit on what a component prints counts where it runs.
    pub(crate) fn of_root(&self, parts: &[(usize, &Component)]) -> Result<GrantsBuilder, ServiceError> {
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

impl<'a> Group<'a> {
    /// The name of its share of the pool and of the lane: a service has one for all of its components, and so has a pod.
    pub(crate) fn share(&self) -> String {
        match self.fields {
            Fields::Manifest => self.id.to_string(),
            Fields::Pod | Fields::Command => self.label.to_owned(),
        }
    }

    /// The components at these places.
    pub(crate) fn at(&self, places: &[usize]) -> Vec<(usize, &'a Component)> {
        let parts = places
            .iter()
            .filter_map(|at| Some((*at, self.components.get(*at)?.component)));
        parts.collect()
    }
}
