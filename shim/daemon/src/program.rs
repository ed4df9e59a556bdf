//! From a container's bundle to what runs: its annotations are read, its artifact is here, compiled, and allowed to run.

use crate::bundle::Bundle;
use crate::error::Error;
use crate::node::Node;
use crate::record::{Container, Domain, Program};
use shoal_admission::Denied;
use shoal_api::pod::{self, TrustDomain};
use shoal_api::{Component, Store, Trigger};
use shoal_artifact::{Artifact, Composed, Member};
use shoal_compile::Description;
use shoal_compose::Owned;
use shoal_protocol::{Role, Task, TaskPart};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a component that runs once may take where the pod says nothing: kubelet's `activeDeadlineSeconds` is the pod's way to say it.
const NO_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

impl Node {
    /// What runs in a container.
    pub(crate) async fn program(&self, create: &Container, bundle: &Bundle) -> Result<Program, Error> {
        let sandbox = match bundle.sandbox_id() {
            Some(id) => Some(self.sandbox(id)?),
            None => None,
        };
        let mut annotations = sandbox
            .as_ref()
            .map(|sandbox| sandbox.annotations.clone())
            .unwrap_or_default();
        annotations.extend(bundle.annotations().clone());
        let id = sandbox.as_ref().map_or(create.id.as_str(), |sandbox| &sandbox.id);
        let image = bundle
            .image()
            .ok_or_else(|| Error::NoImage(Path::new(&create.bundle).join("config.json")))?;
        let name = bundle.container_name().unwrap_or(&create.id);
        let container = pod::Container {
            name: name.to_owned(),
            image: image.to_owned(),
            args: bundle.args(),
            env: bundle.env(),
            memory: bundle.memory(),
        };
        let pod::Program {
            mut component,
            values,
            stores,
        } = pod::program(&container, &annotations).map_err(Error::Problems)?;
        for grant in &mut component.capabilities.filesystem {
            grant.read_only |= bundle.is_read_only(&pod::volume_path(&grant.volume));
        }
        let trust = pod::trust_domain(&annotations).map_err(|problem| Error::Problems(vec![problem]))?;
        let triggers = pod::triggers(&annotations).map_err(Error::Problems)?;
        let front = triggers.as_deref().map(front);
        let mut triggers = triggers.unwrap_or_default();
        triggers.retain(|trigger| trigger.component == name);
        let artifact = self.images.artifact(&create.namespace, image).await?;
        let linked = pod::linked(&annotations);
        let within = triggers.is_empty() && linked.contains(name);
        let (mut parts, mut compiled, mut role) = (Vec::new(), None, Role::Part);
        if !within {
            let whole = self.linked(id, &component, &artifact).await?;
            parts = whole.parts;
            let found = self.images.compiled(image, &whole.artifact).await?;
            admit(&found.description, &component, &parts)?;
            role = role_of(&found.description, &triggers).ok_or_else(|| Error::Exports {
                component: name.to_owned(),
                exports: exports(&found.description),
            })?;
            compiled = Some(found);
        }
        triggers.retain(|trigger| trigger.redis.is_some());
        if role.ends() && !annotations.keys().any(|key| key.starts_with(pod::LIMITS)) {
            component.limits.cpu_time = NO_LIMIT.into();
            component.limits.request_timeout = NO_LIMIT.into();
        }
        let netns = match &sandbox {
            Some(sandbox) => sandbox.netns.clone(),
            None => bundle.netns(),
        };
        let namespace = sandbox
            .as_ref()
            .map_or(bundle.namespace(), |sandbox| &sandbox.namespace);
        let imports = compiled.iter().flat_map(|it| &it.description.imports);
        let sockets = imports
            .map(|import| owned(&import.name, &parts).name)
            .any(|name| name.starts_with("wasi:sockets/tcp@") || name.starts_with("wasi:sockets/udp@"));
        // A grant of nothing is asked for by languages that import sockets whatever a program does.
        let connects = |it: &Component| {
            let network = it.capabilities.network.as_ref();
            network.is_some_and(|grant| !grant.outbound.is_empty())
        };
        let connects = connects(&component) || parts.iter().any(|part| connects(&part.component));
        let granted = pod::granted(&annotations);
        // Those that are linked share a worker, and the first of them does not know yet whether another has sockets.
        let linked = granted.connections && !linked.is_empty();
        let alone = |routes: &Routes| routes.iter().all(|(_, other)| other == name);
        let in_network = linked || sockets && connects;
        if in_network && !linked && !front.as_ref().is_none_or(alone) {
            return Err(Error::SocketsBesideOthers(name.to_owned()));
        }
        let shared = match trust {
            // Sockets of its own need a process in the pod's network.
            _ if in_network => format!("pod-{id}-net"),
            TrustDomain::Namespace => format!("ns-{namespace}"),
            TrustDomain::Node => "node".to_owned(),
            TrustDomain::Pod => format!("pod-{id}"),
            TrustDomain::Named(name) => format!("ns-{namespace}.{name}"),
        };
        let domain = Domain {
            // A worker that may do more with files is not one of those that may not.
            name: match granted.directories {
                true => format!("files-{shared}"),
                false => shared,
            },
            netns: netns.clone().filter(|_| in_network),
            directories: granted.directories,
        };
        let resolv = match sandbox.as_ref().map(|sandbox| sandbox.resolv.as_str()) {
            Some(text) if !text.is_empty() => text.to_owned(),
            _ => bundle
                .mount("/etc/resolv.conf")
                .and_then(|path| std::fs::read_to_string(path).ok())
                .unwrap_or_default(),
        };
        let pod = sandbox.as_ref().map_or(name, |sandbox| &sandbox.name);
        let mut volumes = volumes(&stores, &component, bundle)?;
        for part in &parts {
            let part = self.container(&part.id)?.get().program;
            volumes.extend(part.into_iter().flat_map(|it| it.volumes));
        }
        Ok(Program {
            task: Task {
                id: create.id.clone(),
                pod: format!("{namespace}/{pod}"),
                component,
                code: compiled
                    .as_ref()
                    .map(|it| format!("{}.cwasm", it.digest.hex()))
                    .unwrap_or_default(),
                digest: compiled
                    .as_ref()
                    .map_or(&artifact.digest, |it| &it.digest)
                    .to_string(),
                description: compiled
                    .as_ref()
                    .map(|it| it.description.clone())
                    .unwrap_or_default(),
                role,
                sandbox: id.to_owned(),
                service: (
                    namespace.to_owned(),
                    annotations.get(pod::SERVICE).cloned().unwrap_or_default(),
                ),
                values,
                stores,
                triggers,
                parts,
                front,
            },
            compiled: compiled.map(|it| it.path),
            volumes,
            owner: bundle.owner(),
            sandbox: id.to_owned(),
            domain,
            port: bundle.port(),
            netns,
            resolv,
            termination_log: bundle.mount("/dev/termination-log"),
        })
    }
}

/// A component with those that it is linked to in it.
struct Whole {
    artifact: Artifact,
    /// The others, in the order of their places.
    parts: Vec<TaskPart>,
}

impl Node {
    /// Composes `component` with those of the pod `sandbox` that it is linked to, whose containers are there already.
    async fn linked(
        &self,
        sandbox: &str,
        component: &Component,
        artifact: &Artifact,
    ) -> Result<Whole, Error> {
        if component.links.is_empty() {
            return Ok(Whole {
                artifact: artifact.clone(),
                parts: Vec::new(),
            });
        }
        // Not those whose container was made anew since.
        let others = self.entries().into_iter();
        let others = others.filter(|it| it.is_of(sandbox) && it.runs());
        let others: Vec<_> = others
            .map(|entry| entry.get())
            .filter_map(|container| Some((container.namespace, container.program?.task)))
            .filter(|(_, task)| task.component.name != component.name)
            .collect();
        let mut artifacts = Vec::new();
        for (namespace, task) in &others {
            let image = task.component.image.as_deref().unwrap_or_default();
            artifacts.push(self.images.artifact(namespace, image).await?);
        }
        let mut members = vec![Member { component, artifact }];
        members.extend(others.iter().zip(&artifacts).map(|((_, task), artifact)| Member {
            component: &task.component,
            artifact,
        }));
        let Composed { artifact, places } = self.images.composed(&members).await?;
        let parts = places.into_iter().filter_map(|at| others.get(at.checked_sub(1)?));
        let parts = parts.map(|(_, task)| TaskPart {
            id: task.id.clone(),
            component: task.component.clone(),
            values: task.values.clone(),
            stores: task.stores.clone(),
        });
        Ok(Whole {
            artifact,
            parts: parts.collect(),
        })
    }
}

/// Refuses a component that imports what is neither granted nor linked, and one that has such a component in itself.
fn admit(description: &Description, component: &Component, parts: &[TaskPart]) -> Result<(), Error> {
    let members = std::iter::once(component).chain(parts.iter().map(|part| &part.component));
    for (place, member) in members.enumerate() {
        let imports = description
            .imports
            .iter()
            .map(|import| owned(&import.name, parts));
        let imports = imports.filter(|import| import.part == place).map(|it| it.name);
        shoal_admission::admit(imports, member, 0)
            .map_err(|denied| Error::Denied(in_a_pod(&denied, &member.name, parts)))?;
    }
    Ok(())
}

/// Whose import it is, and what that part calls it. What belongs to none alone is the first one's.
fn owned<'a>(name: &'a str, parts: &[TaskPart]) -> Owned<'a> {
    let known = |owned: &Owned<'_>| !parts.is_empty() && owned.part <= parts.len();
    Owned::parse(name)
        .filter(known)
        .unwrap_or(Owned { part: 0, name })
}

/// Prefixes of paths, each with the component that answers below it.
type Routes = Vec<(String, String)>;

/// How the components of a pod answer together.
fn front(triggers: &[Trigger]) -> Routes {
    let http = triggers.iter();
    let http = http.filter_map(|it| Some((it.http.as_ref()?.path.clone(), it.component.clone())));
    http.collect()
}

/// The folders of the volumes that these stores, and the directories of a component, are on, by the volume's name.
fn volumes(
    stores: &[Store],
    component: &Component,
    bundle: &Bundle,
) -> Result<BTreeMap<String, PathBuf>, Error> {
    let mut folders = BTreeMap::new();
    let stores = stores
        .iter()
        .filter_map(|it| Some(&it.persistent.as_ref()?.volume));
    let directories = component.capabilities.filesystem.iter();
    for volume in stores.chain(directories.map(|it| &it.volume)) {
        let path = pod::volume_path(volume);
        let folder = bundle.mount(&path).ok_or_else(|| Error::NoVolume {
            volume: volume.clone(),
            path,
        })?;
        folders.insert(volume.clone(), folder);
    }
    Ok(folders)
}

/// What a component is run for, which these triggers call. One that can both answer and be run serves: it can be told by a command of
/// its own to do something once.
fn role_of(description: &Description, triggers: &[Trigger]) -> Option<Role> {
    let exports = |name| description.export(name).is_some();
    let due = triggers.iter().find(|it| it.schedule.is_some());
    let message = exports("shoal:service/message-handler") || exports("handle-request");
    let program = exports("wasi:cli/run");
    if let Some(due) = due {
        let trigger = due.name.clone();
        // A program has an exit code of its own.
        return Some(if program && !message {
            Role::Run
        } else {
            Role::Due { trigger }
        });
    }
    let answers =
        exports("wasi:http/incoming-handler") || exports("wasi:http/handler") || exports("handle-request");
    let asked = triggers.is_empty() || triggers.iter().any(|it| it.http.is_some());
    if answers && asked {
        return Some(Role::Serve);
    }
    if !triggers.is_empty() {
        // What its messages need, the worker says.
        return Some(Role::Handle);
    }
    program.then_some(Role::Run)
}

fn exports(description: &Description) -> String {
    let names: Vec<_> = description.exports.iter().map(|it| it.name.as_str()).collect();
    if names.is_empty() {
        "nothing".to_owned()
    } else {
        names.join(", ")
    }
}

/// Where a manifest names the field that grants an import, a pod names the annotation: of one component alone, where there are several.
fn in_a_pod(denied: &[Denied], component: &str, parts: &[TaskPart]) -> String {
    let denied: Vec<_> = denied.iter().map(ToString::to_string).collect();
    let annotation = match parts {
        [] => pod::CAPABILITIES.to_owned(),
        _ => format!("{}.{component}", pod::CAPABILITIES),
    };
    denied.join("; ").replace(
        "spec.components[0].capabilities.",
        &format!("metadata.annotations[{annotation}]: "),
    )
}
