//! What a scope's watches have seen: all that the operator made, and its pods. Reconciling reads from here, so that looking costs the
//! API server nothing.

use crate::callees::Callees;
use crate::create_failures::CreateFailures;
use crate::scope::Scope;
use futures::{Stream, StreamExt, stream};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use shoal_api::{WasmService, labels};
use shoal_plan::Kind;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

/// Services to look at again.
pub(crate) type Touched = Pin<Box<dyn Stream<Item = ObjectRef<WasmService>> + Send>>;

/// The objects of a scope.
pub(crate) struct Cache {
    pub(crate) deployments: Store<Deployment>,
    /// All Services of the scope, since grants may name those of others.
    pub(crate) services: Store<Service>,
    /// All autoscalers of the scope by what they scale, since those of others decide too.
    pub(crate) autoscalers: Indexed<HorizontalPodAutoscaler>,
    pub(crate) budgets: Store<PodDisruptionBudget>,
    pub(crate) policies: Store<NetworkPolicy>,
    pub(crate) jobs: Indexed<Job>,
    pub(crate) cron_jobs: Indexed<CronJob>,
    pub(crate) pods: Indexed<Pod>,
    pub(crate) create_failures: CreateFailures,
}

/// A store with many objects for a service.
pub(crate) struct Indexed<K: Resource<DynamicType = ()> + Clone + 'static> {
    pub(crate) store: Store<K>,
    pub(crate) names: Names,
}

/// Names of objects, by the namespace and name of what they belong to: a service, mostly.
pub(crate) type Names = Arc<Mutex<HashMap<(String, String), BTreeSet<String>>>>;

/// An object as it was last seen.
pub(crate) struct Live {
    pub(crate) body: Value,
    pub(crate) version: Option<String>,
}

impl Cache {
    /// Watches a scope. The streams have to be polled, or nothing is seen.
    pub(crate) fn watch(client: &Client, scope: &Scope, callees: &Arc<Callees>) -> (Self, Vec<Touched>) {
        let (services, touched) = watch_services(client, scope, callees);
        let mut streams = vec![touched];
        // An autoscaler's hand on a Deployment shows in its managed fields; of all else they are dead weight.
        let deployments = watch(client, scope, &mut streams, |_| {}).0;
        let (autoscalers, touched) = watch_autoscalers(client, scope);
        streams.push(touched);
        let budgets = watch(client, scope, &mut streams, bare).0;
        let policies = watch(client, scope, &mut streams, bare).0;
        let (store, names) = watch(client, scope, &mut streams, bare);
        let jobs = Indexed { store, names };
        let (store, names) = watch(client, scope, &mut streams, bare);
        let cron_jobs = Indexed { store, names };
        let (store, names) = watch(client, scope, &mut streams, told);
        let pods = Indexed { store, names };
        let create_failures = CreateFailures::watch(client, scope, &mut streams, (&jobs, &cron_jobs));
        let cache = Self {
            deployments,
            services,
            autoscalers,
            budgets,
            policies,
            jobs,
            cron_jobs,
            pods,
            create_failures,
        };
        (cache, streams)
    }

    /// Returns once each watch has told all there is.
    pub(crate) async fn ready(&self) {
        // Fails only where a watch was dropped, and with it all else.
        let _ = tokio::join!(
            self.deployments.wait_until_ready(),
            self.services.wait_until_ready(),
            self.autoscalers.store.wait_until_ready(),
            self.budgets.wait_until_ready(),
            self.policies.wait_until_ready(),
            self.jobs.store.wait_until_ready(),
            self.cron_jobs.store.wait_until_ready(),
            self.pods.store.wait_until_ready(),
            self.create_failures.ready(),
        );
    }

    /// An object of a service.
    pub(crate) fn live(&self, kind: Kind, namespace: &str, name: &str) -> Option<Live> {
        match kind {
            Kind::Deployment => live(&self.deployments, namespace, name),
            Kind::Job => live(&self.jobs.store, namespace, name),
            Kind::CronJob => live(&self.cron_jobs.store, namespace, name),
            Kind::Service => live(&self.services, namespace, name),
            Kind::HorizontalPodAutoscaler => live(&self.autoscalers.store, namespace, name),
            Kind::PodDisruptionBudget => live(&self.budgets, namespace, name),
            Kind::NetworkPolicy => live(&self.policies, namespace, name),
        }
    }

    /// The names of a service's objects of a kind.
    pub(crate) fn names(&self, kind: Kind, namespace: &str, service: &str) -> Vec<String> {
        match kind {
            Kind::Job => self.jobs.names_of(namespace, service),
            Kind::CronJob => self.cron_jobs.names_of(namespace, service),
            // All others are named as their service is.
            _ => {
                let live = self.live(kind, namespace, service);
                live.map(|_| service.to_owned()).into_iter().collect()
            }
        }
    }
}

impl<K: Resource<DynamicType = ()> + Clone> Indexed<K> {
    /// All objects of a service, or of what else they are kept by.
    pub(crate) fn of(&self, namespace: &str, service: &str) -> Vec<Arc<K>> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (namespace.to_owned(), service.to_owned());
        let Some(known) = names.get_mut(&key) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        known.retain(|name| {
            let object = self.store.get(&ObjectRef::new(name).within(namespace));
            let there = object.is_some();
            found.extend(object);
            there
        });
        if known.is_empty() {
            names.remove(&key);
        }
        found
    }

    fn names_of(&self, namespace: &str, service: &str) -> Vec<String> {
        let all = self.of(namespace, service);
        all.iter().map(|it| it.name_any()).collect()
    }
}

fn live<K>(store: &Store<K>, namespace: &str, name: &str) -> Option<Live>
where
    K: Resource<DynamicType = ()> + Clone + Serialize,
{
    let object = store.get(&ObjectRef::new(name).within(namespace))?;
    Some(Live {
        version: object.resource_version(),
        body: json!(*object),
    })
}

fn watch<K>(client: &Client, scope: &Scope, streams: &mut Vec<Touched>, slim: fn(&mut K)) -> (Store<K>, Names)
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + Debug
        + Send
        + Sync
        + 'static,
{
    let names = Names::default();
    let index = Arc::clone(&names);
    let ours = format!("{}={}", labels::MANAGED_BY, labels::OPERATOR);
    let config = watcher::Config::default().labels(&ours);
    let (store, touched) = look(client, scope, config, slim, move |object| {
        touched(object, &index).into_iter().collect()
    });
    streams.push(touched);
    (store, names)
}

fn watch_services(client: &Client, scope: &Scope, callees: &Arc<Callees>) -> (Store<Service>, Touched) {
    let (names, callees) = (Names::default(), Arc::clone(callees));
    look(client, scope, watcher::Config::default(), slim, move |service| {
        let owner = touched(service, &names).filter(|_| is_ours(service));
        owner.into_iter().chain(callees.callers(service)).collect()
    })
}

fn watch_autoscalers(client: &Client, scope: &Scope) -> (Indexed<HorizontalPodAutoscaler>, Touched) {
    let names = Names::default();
    let index = Arc::clone(&names);
    let (store, touched) = look(client, scope, watcher::Config::default(), bare, move |it| {
        scaled(it, &index).into_iter().collect()
    });
    (Indexed { store, names }, touched)
}

/// The service that an autoscaler scales, itself or by its Deployment.
fn scaled(autoscaler: &HorizontalPodAutoscaler, index: &Names) -> Option<ObjectRef<WasmService>> {
    let target = &autoscaler.spec.scale_target_ref;
    let namespace = autoscaler.namespace()?;
    if !["Deployment", shoal_api::KIND].contains(&target.kind.as_str()) {
        return None;
    }
    let key = (namespace.clone(), target.name.clone());
    let mut index = index.lock().unwrap_or_else(PoisonError::into_inner);
    index.entry(key).or_default().insert(autoscaler.name_any());
    Some(ObjectRef::new(&target.name).within(&namespace))
}

/// Watches objects, and says of each which services have to be looked at again.
pub(crate) fn look<K>(
    client: &Client,
    scope: &Scope,
    config: watcher::Config,
    slim: fn(&mut K),
    mut touched: impl FnMut(&K) -> Vec<ObjectRef<WasmService>> + Send + 'static,
) -> (Store<K>, Touched)
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + Debug
        + Send
        + Sync
        + 'static,
{
    let (store, writer) = reflector::store();
    let objects = watcher(scope.api::<K>(client.clone()), config)
        .default_backoff()
        .modify(slim)
        .reflect(writer)
        .touched_objects();
    let touched = objects.flat_map(move |object| {
        stream::iter(match object {
            Ok(object) => touched(&object),
            Err(error) => {
                tracing::warn!(kind = %K::kind(&()), "watch: {error}");
                Vec::new()
            }
        })
    });
    (store, touched.boxed())
}

/// Of those of others, what a NetworkPolicy needs to know.
fn slim(service: &mut Service) {
    bare(service);
    if !is_ours(service) {
        service.status = None;
        let meta = service.meta_mut();
        (meta.labels, meta.annotations) = (None, None);
    }
}

fn is_ours(service: &Service) -> bool {
    service.labels().get(labels::MANAGED_BY).map(String::as_str) == Some(labels::OPERATOR)
}

pub(crate) fn bare<K: Resource>(object: &mut K) {
    object.meta_mut().managed_fields = None;
}

/// What a pod was asked to be is in the objects that made it. There are many: those of runs that have ended stay for a while.
fn told(pod: &mut Pod) {
    bare(pod);
    pod.spec = None;
}

/// The service that an object belongs to.
fn touched<K: Resource<DynamicType = ()>>(object: &K, index: &Names) -> Option<ObjectRef<WasmService>> {
    let service = service_of(object)?;
    let key = (object.namespace()?, service.name.clone());
    let mut index = index.lock().unwrap_or_else(PoisonError::into_inner);
    index.entry(key).or_default().insert(object.name_any());
    Some(service)
}

/// The same, by its labels.
pub(crate) fn service_of<K: Resource<DynamicType = ()>>(object: &K) -> Option<ObjectRef<WasmService>> {
    let labels = object.labels();
    // The pods of a schedule have the second alone.
    let service = labels
        .get(labels::SERVICE)
        .or_else(|| labels.get(labels::APP_NAME))?;
    Some(ObjectRef::new(service).within(&object.namespace()?))
}

#[cfg(test)]
impl Cache {
    /// As watches would have told it of these objects.
    pub(crate) fn of(objects: &[Value]) -> Self {
        let other = Names::default();
        Self {
            deployments: indexed(objects, &other),
            services: indexed(objects, &other),
            autoscalers: {
                let names = Names::default();
                let store = filled(objects, |it| drop(scaled(it, &names)));
                Indexed { store, names }
            },
            budgets: indexed(objects, &other),
            policies: indexed(objects, &other),
            jobs: Indexed::of_all(objects),
            cron_jobs: Indexed::of_all(objects),
            pods: Indexed::of_all(objects),
            create_failures: CreateFailures::of_events(objects),
        }
    }
}

#[cfg(test)]
impl<K: Resource<DynamicType = ()> + Clone + DeserializeOwned> Indexed<K> {
    fn of_all(objects: &[Value]) -> Self {
        let names = Names::default();
        let store = indexed(objects, &names);
        Self { store, names }
    }
}

#[cfg(test)]
fn indexed<K>(objects: &[Value], index: &Names) -> Store<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + 'static,
{
    filled(objects, |object| drop(touched(object, index)))
}

/// A store with those of the objects that are of its kind.
#[cfg(test)]
pub(crate) fn filled<K>(objects: &[Value], seen: impl Fn(&K)) -> Store<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + 'static,
{
    let (store, mut writer) = reflector::store();
    writer.apply_watcher_event(&watcher::Event::Init);
    for object in objects.iter().filter(|it| it["kind"] == *K::kind(&())) {
        let Ok(object) = serde_json::from_value::<K>(object.clone()) else {
            continue;
        };
        seen(&object);
        writer.apply_watcher_event(&watcher::Event::InitApply(object));
    }
    writer.apply_watcher_event(&watcher::Event::InitDone);
    store
}
