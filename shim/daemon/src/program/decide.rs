//! From what a pod says and what its component's code says to what runs: its role, its limits, its process, and whether it may run at
//! all. Pure: `program` reads, pulls and compiles.

use super::pod_spec::{PodSpec, Routes};
use crate::error::Error;
use crate::record::{Domain, Program};
use shoal_admission::{Inadmissible, Origin, admit_parts};
use shoal_api::pod::TrustDomain;
use shoal_api::{Component, Trigger};
use shoal_artifact::Digest;
use shoal_description::{Description, World};
use shoal_protocol::{Role, Task, TaskPart};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The limits of a component that runs once, where the pod sets none: `activeDeadlineSeconds` is the pod's way to bound it.
const RUN_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The code of a container's component.
#[derive(Clone, Debug)]
pub(crate) enum Code {
    /// Its own, alone or together with the components that it is linked to, in the order of their places: what is known of it before it
    /// is compiled.
    Own {
        digest: Digest,
        description: Description,
        parts: Vec<Linked>,
    },
    /// Others of its pod have it in their own; this is the digest of its WebAssembly.
    Part { digest: Digest },
}

/// A container that this one's component is linked to.
#[derive(Clone, Debug)]
pub(crate) struct Linked {
    pub(crate) task: TaskPart,
    /// The folders of its volumes, by the volume's name.
    pub(crate) volumes: BTreeMap<String, PathBuf>,
}

/// What runs in a container, but for its compiled file: what may not run is not compiled. `resolv` is the pod's resolv.conf.
///
/// # Errors
///
/// [`Error::Denied`] where the component, or one in it, imports what it isn't granted; [`Error::Exports`] where nothing that it exports
/// can be called; [`Error::SocketsBesideOthers`].
pub(crate) fn decide(spec: PodSpec, code: Code, resolv: String) -> Result<Program, Error> {
    let (digest, description, linked) = match code {
        Code::Own {
            digest,
            description,
            parts,
        } => (digest, Some(description), parts),
        Code::Part { digest } => (digest, None, Vec::new()),
    };
    let mut volumes = spec.volumes.clone();
    volumes.extend(linked.iter().flat_map(|part| part.volumes.clone()));
    let parts: Vec<_> = linked.into_iter().map(|part| part.task).collect();
    let role = match &description {
        Some(description) => {
            admit(description, &spec.component, &parts)?;
            role(description, &spec.triggers).ok_or_else(|| Error::Exports {
                component: spec.component.name.clone(),
                exports: description.export_names(),
            })?
        }
        None => Role::Part,
    };
    let domain = domain(&spec, description.as_ref(), &parts)?;
    let mut component = spec.component;
    if role.ends() && !spec.limited {
        component.limits.cpu_time = RUN_LIMIT.into();
        component.limits.request_timeout = RUN_LIMIT.into();
    }
    let mut triggers = spec.triggers;
    triggers.retain(|trigger| trigger.redis.is_some());
    let name = |_: &Description| format!("{}.cwasm", digest.hex());
    Ok(Program {
        task: Task {
            id: spec.container,
            pod: format!("{}/{}", spec.namespace, spec.pod),
            component,
            code: description.as_ref().map(name).unwrap_or_default(),
            digest: digest.to_string(),
            description: description.unwrap_or_default(),
            role,
            sandbox: spec.sandbox.clone(),
            service: (spec.namespace, spec.service),
            values: spec.values,
            stores: spec.stores,
            triggers,
            parts,
            front: spec.front,
            http: spec.http,
        },
        compiled: None,
        volumes,
        owner: spec.owner,
        sandbox: spec.sandbox,
        domain,
        port: spec.port,
        netns: spec.netns,
        resolv,
        termination_log: spec.termination_log,
    })
}

/// The process that a component runs in.
fn domain(spec: &PodSpec, description: Option<&Description>, parts: &[TaskPart]) -> Result<Domain, Error> {
    // Those that are linked share a worker, and the first of them doesn't know yet whether another has sockets.
    let linked = spec.links && spec.granted.connections;
    let in_network = linked || description.is_some_and(|it| has_sockets(it, &spec.component, parts));
    let name = &spec.component.name;
    let alone = |routes: &Routes| routes.iter().all(|(_, other)| other == name);
    if in_network && !linked && !spec.front.as_ref().is_none_or(alone) {
        return Err(Error::SocketsBesideOthers(name.clone()));
    }
    let PodSpec {
        sandbox, namespace, ..
    } = spec;
    let shared = match &spec.trust {
        // Sockets of its own need a process in the pod's network.
        _ if in_network => format!("pod-{sandbox}-net"),
        TrustDomain::Namespace => format!("ns-{namespace}"),
        TrustDomain::Node => "node".to_owned(),
        TrustDomain::Pod => format!("pod-{sandbox}"),
        TrustDomain::Named(name) => format!("ns-{namespace}.{name}"),
    };
    Ok(Domain {
        // A worker that may do more with files is not one of those that may not.
        name: match spec.granted.directories {
            true => format!("files-{shared}"),
            false => shared,
        },
        netns: spec.netns.clone().filter(|_| in_network),
        directories: spec.granted.directories,
    })
}

/// Whether it makes sockets itself. Languages import them whatever a program does, so it counts only with a grant to connect.
fn has_sockets(description: &Description, component: &Component, parts: &[TaskPart]) -> bool {
    let imported = description.imports_of_parts(parts.len() + 1).any(|import| {
        ["wasi:sockets/tcp@", "wasi:sockets/udp@"]
            .iter()
            .any(|sockets| import.interface.starts_with(sockets))
    });
    let connects = |it: &Component| {
        let network = it.capabilities.network.as_ref();
        network.is_some_and(|grant| !grant.outbound.is_empty())
    };
    imported && (connects(component) || parts.iter().any(|part| connects(&part.component)))
}

/// Refuses a component that imports what is neither granted nor linked, and one that has such a component in itself.
fn admit(description: &Description, component: &Component, parts: &[TaskPart]) -> Result<(), Error> {
    let members = std::iter::once(component).chain(parts.iter().map(|part| &part.component));
    let members = members.map(|member| {
        let origin = Origin::Pod {
            container: member.name.clone(),
            alone: parts.is_empty(),
        };
        (origin, member)
    });
    admit_parts(description, &members.collect::<Vec<_>>()).map_err(|Inadmissible { part, denied }| {
        Error::Denied {
            component: match part.checked_sub(1).and_then(|at| parts.get(at)) {
                Some(part) => part.component.name.clone(),
                None => component.name.clone(),
            },
            denied,
        }
    })
}

/// What a component is run for, which these triggers call. One that can both answer and be run serves: it can be told by a command of
/// its own to do something once.
fn role(description: &Description, triggers: &[Trigger]) -> Option<Role> {
    let due = triggers.iter().find(|it| it.schedule.is_some());
    if let Some(due) = due {
        let trigger = due.name.clone();
        // A program has an exit code of its own.
        return Some(match description.event_world() {
            Some(World::Command) => Role::Run,
            _ => Role::Due { trigger },
        });
    }
    let asked = triggers.is_empty() || triggers.iter().any(|it| it.http.is_some());
    if description.request_world().is_some() && asked {
        return Some(Role::Serve);
    }
    if !triggers.is_empty() {
        // What its messages need, the worker says.
        return Some(Role::Handle);
    }
    description.fits(World::Command).then_some(Role::Run)
}
