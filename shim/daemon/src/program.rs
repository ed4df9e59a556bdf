//! From a container's bundle to what runs: its annotations are read, its artifact is here, compiled, and allowed to run.

use crate::bundle::Bundle;
use crate::error::Error;
use crate::node::Node;
use crate::record::{Container, Domain, Program};
use shoal_admission::Denied;
use shoal_api::pod::{self, TrustDomain};
use shoal_api::{Store, Trigger};
use shoal_compile::Description;
use shoal_protocol::{Role, Task};
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
        let trust = pod::trust_domain(&annotations).map_err(|problem| Error::Problems(vec![problem]))?;
        let compiled = self.images.compiled(&create.namespace, image).await?;
        let description = compiled.description;
        let imports = description.imports.iter().map(|import| import.name.as_str());
        shoal_admission::admit(imports, &component, 0).map_err(|denied| Error::Denied(in_a_pod(&denied)))?;
        let triggers = pod::triggers(&annotations).map_err(Error::Problems)?;
        let front = triggers.as_deref().map(front);
        let mut triggers = triggers.unwrap_or_default();
        triggers.retain(|trigger| trigger.component == name);
        let role = role(&description, &triggers).ok_or_else(|| Error::Exports {
            component: name.to_owned(),
            exports: exports(&description),
        })?;
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
        let sockets = description.imports.iter().any(|import| {
            import.name.starts_with("wasi:sockets/tcp@") || import.name.starts_with("wasi:sockets/udp@")
        });
        let alone = |routes: &Routes| routes.iter().all(|(_, other)| other == name);
        let domain = if sockets && component.capabilities.network.is_some() {
            if !front.as_ref().is_none_or(alone) {
                return Err(Error::SocketsBesideOthers(name.to_owned()));
            }
            // Sockets of its own need a process in the pod's network.
            Domain {
                name: format!("pod-{id}-net"),
                netns: netns.clone(),
            }
        } else {
            Domain {
                name: match trust {
                    TrustDomain::Namespace => format!("ns-{namespace}"),
                    TrustDomain::Node => "node".to_owned(),
                    TrustDomain::Pod => format!("pod-{id}"),
                    TrustDomain::Named(name) => format!("ns-{namespace}.{name}"),
                },
                netns: None,
            }
        };
        let resolv = match sandbox.as_ref().map(|sandbox| sandbox.resolv.as_str()) {
            Some(text) if !text.is_empty() => text.to_owned(),
            _ => bundle
                .mount("/etc/resolv.conf")
                .and_then(|path| std::fs::read_to_string(path).ok())
                .unwrap_or_default(),
        };
        let pod = sandbox.as_ref().map_or(name, |sandbox| &sandbox.name);
        let volumes = volumes(&stores, bundle)?;
        Ok(Program {
            task: Task {
                id: create.id.clone(),
                pod: format!("{namespace}/{pod}"),
                component,
                code: format!("{}.cwasm", compiled.digest.hex()),
                digest: compiled.digest.to_string(),
                description,
                role,
                sandbox: id.to_owned(),
                service: (
                    namespace.to_owned(),
                    annotations.get(pod::SERVICE).cloned().unwrap_or_default(),
                ),
                values,
                stores,
                triggers,
                front,
            },
            compiled: compiled.path,
            volumes,
            sandbox: id.to_owned(),
            domain,
            port: bundle.port(),
            netns,
            resolv,
            termination_log: bundle.mount("/dev/termination-log"),
        })
    }
}

/// Prefixes of paths, each with the component that answers below it.
type Routes = Vec<(String, String)>;

/// How the components of a pod answer together.
fn front(triggers: &[Trigger]) -> Routes {
    let http = triggers.iter();
    let http = http.filter_map(|it| Some((it.http.as_ref()?.path.clone(), it.component.clone())));
    http.collect()
}

/// The folders of the volumes that these stores are on, by the volume's name.
fn volumes(stores: &[Store], bundle: &Bundle) -> Result<BTreeMap<String, PathBuf>, Error> {
    let mut folders = BTreeMap::new();
    for volume in stores
        .iter()
        .filter_map(|it| Some(&it.persistent.as_ref()?.volume))
    {
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
fn role(description: &Description, triggers: &[Trigger]) -> Option<Role> {
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

/// Where a manifest names the field that grants an import, a pod names the annotation.
fn in_a_pod(denied: &[Denied]) -> String {
    let denied: Vec<_> = denied.iter().map(ToString::to_string).collect();
    denied.join("; ").replace(
        "spec.components[0].capabilities.",
        &format!("metadata.annotations[{}]: ", pod::CAPABILITIES),
    )
}
