//! From a manifest to a service that answers. Pulling and compiling is in `host`.

use crate::assembly::admissible::uncallable;
use crate::assembly::channels;
use crate::assembly::fused::{Members, is_root};
use crate::assembly::machine::Callable;
use crate::assembly::stores::{self, Parts};
use crate::assembly::triggers::{self, Planned, Triggers};
use crate::assembly::values::{self, Objects};
use crate::assembly::volumes::Volumes;
use crate::call::events::EventComponent;
use crate::call::respond::HttpComponent;
use crate::call::world::{Callers, Worlds};
use crate::code::resident::Resident;
use crate::code::sweeper::Sweep as _;
use crate::links::bindings::{Offer, Want};
use crate::links::neighbours::Nearby;
use crate::{Host, ServiceError, ServiceId};
use shoal_api::{Component, HttpTrigger, NetworkGrant, WasmService, route};
use shoal_artifact::{Artifact, Progress};
use shoal_capability::{GrantsBuilder, NetworkOptions, Policy, Stdio};
use shoal_trigger::http::{Handler, Routes, Target};
use std::collections::BTreeMap;
use std::path::Path;
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
    _volumes: Volumes,
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

impl Host {
    /// Makes a service ready: its artifacts are here, compiled, allowed to run, and linked. Paths of files begin at `base`;
    /// `progress` makes a listener for each component, by its name. With `linkable`, other services may be linked to it. Its own
    /// links lead nowhere until they are resolved and established ([`Service::resolve`]).
    ///
    /// # Errors
    ///
    /// The first component that can't be run; for it, everything that is missing.
    pub async fn prepare(
        &self,
        manifest: &WasmService,
        objects: &Objects,
        base: &Path,
        linkable: bool,
        progress: &(dyn Fn(&str) -> Box<dyn Progress> + Sync),
    ) -> Result<Service, ServiceError> {
        let unsupported = shoal_api::unsupported(manifest);
        if !unsupported.is_empty() {
            return Err(ServiceError::Manifest(unsupported));
        }
        let id = ServiceId::of_manifest(manifest);
        let (namespace, name) = (&id.namespace, &id.name);
        let mut problems = Vec::new();
        let volumes = Volumes::make(&manifest.spec.volumes, base, objects, &mut problems)?;
        let parts = Parts {
            service: (namespace, name),
            volumes: &volumes,
            objects,
        };
        let stores = self
            .stores
            .of(&manifest.spec.stores, &parts, &self.clients, &mut problems)
            .await?;
        let mut grants = Vec::new();
        for (index, component) in manifest.spec.components.iter().enumerate() {
            let at = format!("spec.components[{index}]");
            let mut builder = GrantsBuilder {
                env: values::environment(component, &at, objects, &mut problems),
                config: values::configuration(&component.capabilities.config, &at, objects, &mut problems),
                secrets: values::secrets(component, &at, objects, &mut problems),
                channels: channels::granted(component, &at, (&self.clients, objects), &mut problems),
                mounts: component
                    .capabilities
                    .filesystem
                    .iter()
                    .filter_map(|it| volumes.mount(it))
                    .collect(),
                stdio: Stdio::Lines {
                    sink: self.logs.of(name, &component.name),
                    rate: component.limits.log_rate.bytes(),
                },
                stores: stores::granted(component, &stores),
                ..granted(name, component)?
            };
            if let Some(network) = &mut builder.network {
                network.neighbours = Some(Arc::new(Nearby {
                    namespace: namespace.clone(),
                    all: Arc::clone(&self.neighbours),
                }));
            }
            grants.push(builder);
        }
        let triggers = triggers::plan(
            (&manifest.spec.triggers, "spec.triggers"),
            &manifest.spec.components,
            &self.clients,
            objects,
            &mut problems,
        );
        problems.extend(route::conflicts(&manifest.spec.triggers));
        if !problems.is_empty() {
            return Err(ServiceError::Manifest(problems));
        }
        let mut service = Service {
            id: id.clone(),
            components: Vec::new(),
            callable: BTreeMap::new(),
            handlers: BTreeMap::new(),
            code: Vec::new(),
            exports: BTreeMap::new(),
            http: Vec::new(),
            triggers,
            wants: Vec::new(),
            offers: Vec::new(),
            _volumes: volumes,
        };
        let components = &manifest.spec.components;
        let listeners: Vec<_> = components.iter().map(|it| progress(&it.name)).collect();
        let mut artifacts = Vec::new();
        for (component, listener) in components.iter().zip(&listeners) {
            artifacts.push(self.fetch(component, base, &**listener).await?);
        }
        let members = Members {
            components,
            artifacts: &artifacts,
        };
        // All of them before the first is compiled, which may take a while.
        let mut wholes = Vec::new();
        for index in 0..components.len() {
            wholes.push(match is_root(&manifest.spec, index, linkable) {
                true => Some(self.assemble(&members, index, &manifest.spec.triggers).await?),
                false => None,
            });
        }
        let made = wholes.into_iter().zip(&artifacts).zip(&listeners);
        for (component, ((whole, artifact), listener)) in components.iter().zip(made) {
            let Some(whole) = whole else {
                service.add_part(component, artifact);
                continue;
            };
            let ready = self.compile(&whole.artifact, &**listener).await;
            let ready = ready.map_err(|source| ServiceError::Artifact {
                component: component.name.clone(),
                source,
            })?;
            let parts: Vec<_> = whole
                .places
                .iter()
                .filter_map(|at| Some((*at, components.get(*at)?)))
                .collect();
            let grants = with_linked(&grants, &parts)?;
            let digest = ready.digest.clone();
            let callers = Callers {
                services: linkable,
                events: service.triggers.iter().any(|it| it.calls(&component.name)),
            };
            let callable = self.machine.callable(name, &parts, ready, grants, callers)?;
            service.add(component, digest, callable);
        }
        service.route(manifest)?;
        Ok(service)
    }
}

/// The part of a component's grants that needs no other objects.
pub(crate) fn granted(service: &str, component: &Component) -> Result<GrantsBuilder, ServiceError> {
    let mut args = vec![component.name.clone()];
    args.extend(component.args.iter().cloned());
    let mut builder = GrantsBuilder {
        component: format!("{service}/{}", component.name),
        args,
        ..GrantsBuilder::default()
    };
    if let Some(clocks) = &component.capabilities.clocks {
        builder.clock_resolution = clocks.resolution.as_std();
    }
    let granted = &component.capabilities;
    // What is never used may be imported without a grant: it is there, and leads nowhere.
    let nowhere = (!granted.unused_imports.is_empty()).then(NetworkGrant::default);
    if let Some(network) = granted.network.as_ref().or(nowhere.as_ref()) {
        let policy = Policy::new(network).map_err(|source| ServiceError::Capability {
            component: component.name.clone(),
            source: source.into(),
        })?;
        let connections = component.limits.outbound_connections;
        builder.network = Some(NetworkOptions::local(policy, connections));
    }
    Ok(builder)
}

/// The grants of the first part, with those of the others as what is linked into it. They are built for each whole anew: a limit on what
/// a component prints counts where it runs.
pub(crate) fn with_linked(
    grants: &[GrantsBuilder],
    parts: &[(usize, &Component)],
) -> Result<GrantsBuilder, ServiceError> {
    let mut builders = parts
        .iter()
        .filter_map(|(at, it)| Some((grants.get(*at)?.clone(), it)));
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

impl Service {
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

    fn add(&mut self, component: &Component, digest: String, callable: Callable) {
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
    fn add_part(&mut self, component: &Component, artifact: &Artifact) {
        self.components.push(ServiceComponent {
            name: component.name.clone(),
            digest: artifact.digest.to_string(),
            world: None,
        });
    }

    /// Connects triggers with the components that they call.
    fn route(&mut self, manifest: &WasmService) -> Result<(), ServiceError> {
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
