//! The template of a service's pods: a container for each component, and in annotations what the shim has to know beyond that.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, Lifecycle, LifecycleHandler, PodSecurityContext, PodSpec,
    PodTemplateSpec, SeccompProfile, SecurityContext, SleepAction, TopologySpreadConstraint, Volume,
    VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde::Serialize;
use sha2::{Digest, Sha256};
use shoal_api::{Component, Trigger, WasmService, labels, pod, resources};

use crate::parts::{in_order, is_within, serves};
use crate::{Observed, Options, Referred, images, limits, meta, probe, references, revision};

/// The port that pods listen on.
pub(crate) const PORT: i32 = 8080;
/// Its name.
pub(crate) const PORT_NAME: &str = "http";
/// A hash over the data of the Secrets and ConfigMaps that the service refers to: when they change, its pods are replaced.
const REFERRED: &str = "shoal.dev/referred";
/// How long a pod that ends still accepts requests, until all nodes know that it does: in seconds.
const LINGER: i64 = 5;
/// Any user but root. The shim gives a worker another of its own.
const USER: i64 = 65532;

/// What pods are there for.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Role<'a> {
    /// They wait for requests and messages, and are started again when they end.
    Serve,
    /// They come to an end, and their Job decides what then.
    Job,
    /// The same, for one point in time of a schedule.
    Run(&'a Trigger),
}

/// The template for the components and triggers of `service`, which may be a part of a whole one.
pub(crate) fn template(
    service: &WasmService,
    digests: &BTreeMap<String, String>,
    observed: &Observed,
    options: &Options,
    role: Role<'_>,
) -> PodTemplateSpec {
    let spec = &service.spec;
    let containers = in_order(service);
    let containers = containers
        .into_iter()
        .map(|component| container(service, component, digests, role));
    let within = spec.components.iter().filter(|it| is_within(service, it));
    let within = within.map(|component| Container {
        // A sidecar (KEP-753): it is there before those who have it in themselves, and ends after them.
        restart_policy: Some("Always".to_owned()),
        ports: None,
        readiness_probe: None,
        liveness_probe: None,
        lifecycle: None,
        ..container(service, component, digests, role)
    });
    let longest = spec
        .components
        .iter()
        .map(|it| it.limits.request_timeout.as_std());
    let longest = longest.max().unwrap_or_default().as_secs().saturating_add(1);
    let own = &spec.template.spec;
    let mut template = PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(pod_labels(service, role)),
            annotations: Some(annotations(service, observed, role)),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            runtime_class_name: Some(options.runtime_class.clone()),
            containers: containers.collect(),
            init_containers: non_empty(within.collect()),
            service_account_name: spec.service_account_name.clone(),
            // No component can read a file that nobody granted it, so the token would be of no use.
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            image_pull_secrets: non_empty(spec.image_pull_secrets.clone()),
            volumes: non_empty(volumes(service)),
            restart_policy: (role != Role::Serve).then(|| "Never".to_owned()),
            termination_grace_period_seconds: Some(
                LINGER.saturating_add(i64::try_from(longest).unwrap_or(i64::MAX).min(86_400)),
            ),
            security_context: Some(PodSecurityContext {
                run_as_non_root: Some(true),
                run_as_user: Some(USER),
                // Kubelet makes volumes the group's. Stores need no group: the shim opens their files as root.
                fs_group: has_directories(service).then_some(USER),
                seccomp_profile: Some(SeccompProfile {
                    type_: "RuntimeDefault".to_owned(),
                    localhost_profile: None,
                }),
                ..PodSecurityContext::default()
            }),
            node_selector: (!own.node_selector.is_empty()).then(|| own.node_selector.clone()),
            tolerations: non_empty(own.tolerations.clone()),
            affinity: own.affinity.clone(),
            priority_class_name: own.priority_class_name.clone(),
            topology_spread_constraints: non_empty(spread(service, role)),
            ..PodSpec::default()
        }),
    };
    let revision = revision::of(&template);
    let metadata = template.metadata.get_or_insert_default();
    let labels = metadata.labels.get_or_insert_default();
    labels.insert(labels::REVISION.to_owned(), revision);
    template
}

/// The revision that a template, or a pod made from it, is of.
pub(crate) fn revision(metadata: Option<&ObjectMeta>) -> Option<&str> {
    metadata?
        .labels
        .as_ref()?
        .get(labels::REVISION)
        .map(String::as_str)
}

/// The manifest's own, and over them those by which pods are found.
fn pod_labels(service: &WasmService, role: Role<'_>) -> BTreeMap<String, String> {
    let mut labels = service.spec.template.metadata.labels.clone();
    labels.extend(role_labels(service, role));
    labels
}

fn role_labels(service: &WasmService, role: Role<'_>) -> BTreeMap<String, String> {
    match role {
        Role::Serve | Role::Job => meta::labels(service),
        Role::Run(trigger) => meta::run_pod_labels(service, trigger),
    }
}

/// As the manifest says, among the pods of the service where it names no others. Else over the nodes, but for a run: there are no others
/// of it.
fn spread(service: &WasmService, role: Role<'_>) -> Vec<TopologySpreadConstraint> {
    let own = &service.spec.template.spec.topology_spread_constraints;
    let over_nodes = TopologySpreadConstraint {
        max_skew: 1,
        topology_key: "kubernetes.io/hostname".to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        ..TopologySpreadConstraint::default()
    };
    let mut spread = match role {
        _ if !own.is_empty() => own.clone(),
        Role::Serve | Role::Job => vec![over_nodes],
        Role::Run(_) => Vec::new(),
    };
    for constraint in &mut spread {
        constraint.label_selector.get_or_insert_with(|| match role {
            Role::Serve | Role::Job => meta::selector(service),
            Role::Run(_) => LabelSelector {
                match_labels: Some(role_labels(service, role)),
                ..LabelSelector::default()
            },
        });
    }
    spread
}

fn annotations(service: &WasmService, observed: &Observed, role: Role<'_>) -> BTreeMap<String, String> {
    let spec = &service.spec;
    let mut annotations = spec.template.metadata.annotations.clone();
    for component in &spec.components {
        let name = &component.name;
        if !component.capabilities.is_empty() {
            annotations.insert(
                format!("{}.{name}", pod::CAPABILITIES),
                yaml(&component.capabilities),
            );
        }
        if !component.links.is_empty() {
            annotations.insert(format!("{}.{name}", pod::LINKS), yaml(&component.links));
        }
        if let Some(limits) = limits::of(component, role) {
            annotations.insert(format!("{}.{name}", pod::LIMITS), yaml(&limits));
        }
    }
    annotations.insert(pod::SERVICE.to_owned(), meta::name(service).to_owned());
    if !spec.stores.is_empty() {
        annotations.insert(pod::STORES.to_owned(), yaml(&spec.stores));
    }
    if !spec.triggers.is_empty() {
        annotations.insert(pod::TRIGGERS.to_owned(), yaml(&spec.triggers));
    }
    if let Some(domain) = &spec.placement.trust_domain {
        annotations.insert(pod::TRUST_DOMAIN.to_owned(), domain.clone());
    }
    if let Some(hash) = referred(service, observed) {
        annotations.insert(REFERRED.to_owned(), hash);
    }
    annotations
}

/// JSON is YAML, and the same for the same value.
fn yaml(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn referred(service: &WasmService, observed: &Observed) -> Option<String> {
    let references = references(service);
    if references.is_empty() {
        return None;
    }
    let mut hash = Sha256::new();
    for reference in references {
        let state = match observed.referred.get(&reference) {
            Some(Referred::Hash(hash)) => hash.as_str(),
            Some(Referred::Missing) | None => "missing",
        };
        hash.update(format!("{:?} {} {state}\n", reference.kind, reference.name));
    }
    Some(hex::encode(&hash.finalize()[..8]))
}

fn container(
    service: &WasmService,
    component: &Component,
    digests: &BTreeMap<String, String>,
    role: Role<'_>,
) -> Container {
    let image = component.image.as_deref().unwrap_or_default();
    let digest = digests
        .get(&component.name)
        .map(String::as_str)
        .unwrap_or_default();
    let mut env = component.env.clone();
    env.extend(pod::carried(component, &service.spec));
    let listens = role == Role::Serve && serves(service);
    Container {
        name: component.name.clone(),
        image: Some(images::pinned(image, digest)),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        args: non_empty(component.args.clone()),
        env: non_empty(env),
        env_from: non_empty(component.env_from.clone()),
        ports: listens.then(|| {
            vec![ContainerPort {
                name: Some(PORT_NAME.to_owned()),
                container_port: PORT,
                protocol: Some("TCP".to_owned()),
                ..ContainerPort::default()
            }]
        }),
        readiness_probe: listens.then(|| probe::readiness(component)),
        liveness_probe: component
            .liveness_probe
            .as_ref()
            .filter(|_| listens)
            .map(probe::http),
        // kubelet's own sleep (KEP-3960): nothing runs in the container for it.
        lifecycle: listens.then(|| Lifecycle {
            pre_stop: Some(LifecycleHandler {
                sleep: Some(SleepAction { seconds: LINGER }),
                ..LifecycleHandler::default()
            }),
            ..Lifecycle::default()
        }),
        resources: Some(resources::of(component)),
        volume_mounts: non_empty(mounts(service, component)),
        // The Pod Security Standard `restricted` asks for these; a component has none of it to give up.
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".to_owned()]),
                add: None,
            }),
            ..SecurityContext::default()
        }),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Container::default()
    }
}

/// The volumes of its stores and its directories, for the shim: of the latter a component sees what it is granted.
fn mounts(service: &WasmService, component: &Component) -> Vec<VolumeMount> {
    let stores = service.spec.stores.iter();
    let stores = stores.filter(|it| component.capabilities.has_store(&it.name));
    let stores = stores.filter_map(|it| Some((&it.persistent.as_ref()?.volume, false)));
    let directories = component.capabilities.filesystem.iter();
    let directories = directories.map(|it| (&it.volume, it.read_only));
    let mut volumes = BTreeMap::new();
    for (volume, read_only) in stores.chain(directories) {
        *volumes.entry(volume).or_insert(true) &= read_only;
    }
    let mount = |(volume, read_only): (&String, bool)| VolumeMount {
        name: volume.clone(),
        mount_path: pod::volume_path(volume),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    };
    volumes.into_iter().map(mount).collect()
}

/// Those volumes of the spec that anything is on.
fn volumes(service: &WasmService) -> Vec<Volume> {
    let mounted: BTreeSet<_> = service
        .spec
        .components
        .iter()
        .flat_map(|component| mounts(service, component))
        .map(|mount| mount.name)
        .collect();
    let volumes = service.spec.volumes.iter();
    volumes.filter(|it| mounted.contains(&it.name)).cloned().collect()
}

fn has_directories(service: &WasmService) -> bool {
    let mut components = service.spec.components.iter();
    components.any(|it| !it.capabilities.filesystem.is_empty())
}

fn non_empty<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

#[cfg(test)]
mod tests;
