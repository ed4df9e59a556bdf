//! What a pod says of one of its containers, each annotation read once. Pure: what the component's own code says is in `decide`.

use crate::bundle::Bundle;
use crate::error::Error;
use crate::record::{Owner, Sandbox};
use shoal_api::pod::{self, Granted, TrustDomain, Values};
use shoal_api::{Component, HttpTrigger, Store, Trigger};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Prefixes of paths, each with the component that answers below it.
pub(crate) type Routes = Vec<(String, String)>;

/// A container as its pod describes it.
#[derive(Clone, Debug)]
pub(crate) struct PodSpec {
    /// The container's id.
    pub(crate) container: String,
    /// The pod's id; the container's own where it is in no pod.
    pub(crate) sandbox: String,
    /// The pod's namespace.
    pub(crate) namespace: String,
    /// The pod's name.
    pub(crate) pod: String,
    /// The service that the pod is a replica of; empty where it doesn't say.
    pub(crate) service: String,
    /// The image's reference.
    pub(crate) image: String,
    pub(crate) component: Component,
    pub(crate) values: Values,
    /// The stores that the component is granted.
    pub(crate) stores: Vec<Store>,
    /// The triggers that call it.
    pub(crate) triggers: Vec<Trigger>,
    /// The paths that the pod's components answer together; none where this one answers all of them alone.
    pub(crate) front: Option<Routes>,
    /// The HTTP triggers of these paths, in the same order.
    pub(crate) http: Vec<HttpTrigger>,
    pub(crate) trust: TrustDomain,
    /// What the components of the pod are granted together.
    pub(crate) granted: Granted,
    /// Whether the pod says what limits the component has.
    pub(crate) limited: bool,
    /// Whether components of the pod are linked to each other.
    pub(crate) links: bool,
    /// Whether another component of the pod has this one in itself.
    pub(crate) is_part: bool,
    /// The folders of the volumes that its stores and directories are on, by the volume's name.
    pub(crate) volumes: BTreeMap<String, PathBuf>,
    pub(crate) owner: Owner,
    /// Where it listens, if it serves.
    pub(crate) port: u16,
    /// The pod's network namespace; none where it uses the node's.
    pub(crate) netns: Option<PathBuf>,
    pub(crate) termination_log: Option<PathBuf>,
}

impl PodSpec {
    /// Reads the container `id`, whose bundle lies at `path`. The pod's annotations come with the sandbox, or with each container.
    ///
    /// # Errors
    ///
    /// [`Error::Problems`] with every mistake in an annotation, [`Error::NoImage`], and [`Error::NoVolume`] where a volume that is
    /// granted isn't mounted.
    pub(crate) fn read(
        id: &str,
        path: &Path,
        bundle: &Bundle,
        sandbox: Option<&Sandbox>,
    ) -> Result<Self, Error> {
        let mut annotations = sandbox.map(|it| it.annotations.clone()).unwrap_or_default();
        annotations.extend(bundle.annotations().clone());
        let container = container(id, path, bundle)?;
        let name = container.name.clone();
        let pod::Program {
            mut component,
            values,
            stores,
        } = pod::program(&container, &annotations).map_err(Error::Problems)?;
        refuse_unsupported(&component)?;
        for grant in &mut component.capabilities.filesystem {
            grant.read_only |= bundle.is_read_only(&pod::volume_path(&grant.volume));
        }
        let trust = pod::trust_domain(&annotations).map_err(|problem| Error::Problems(vec![problem]))?;
        let triggers = pod::triggers(&annotations).map_err(Error::Problems)?;
        let front = triggers.as_deref().map(routes);
        let http = triggers.iter().flatten().filter_map(|it| it.http.clone());
        let http = http.collect();
        let mut triggers = triggers.unwrap_or_default();
        triggers.retain(|trigger| trigger.component == name);
        let linked = pod::linked(&annotations);
        let own_limits = format!("{}.{name}", pod::LIMITS);
        let volumes = volumes(&stores, &component, bundle)?;
        Ok(Self {
            container: id.to_owned(),
            sandbox: sandbox.map_or(id, |it| &it.id).to_owned(),
            namespace: sandbox.map_or(bundle.namespace(), |it| &it.namespace).to_owned(),
            pod: sandbox.map_or(name.as_str(), |it| &it.name).to_owned(),
            service: annotations.get(pod::SERVICE).cloned().unwrap_or_default(),
            image: container.image,
            component,
            values,
            stores,
            is_part: triggers.is_empty() && linked.contains(&name),
            triggers,
            front,
            http,
            trust,
            granted: pod::granted(&annotations),
            limited: annotations.contains_key(pod::LIMITS) || annotations.contains_key(&own_limits),
            links: !linked.is_empty(),
            volumes,
            owner: bundle.owner(),
            port: bundle.port(),
            netns: sandbox.map_or_else(|| bundle.netns(), |it| it.netns.clone()),
            termination_log: bundle.mount("/dev/termination-log"),
        })
    }
}

fn container(id: &str, path: &Path, bundle: &Bundle) -> Result<pod::Container, Error> {
    let image = bundle
        .image()
        .ok_or_else(|| Error::NoImage(path.join("config.json")))?;
    Ok(pod::Container {
        name: bundle.container_name().unwrap_or(id).to_owned(),
        image: image.to_owned(),
        args: bundle.args(),
        env: bundle.env(),
        memory: bundle.memory(),
    })
}

/// The schema knows more than pods can do yet.
fn refuse_unsupported(component: &Component) -> Result<(), Error> {
    let mut problems = pod::unsupported(component);
    for problem in &mut problems {
        let field = problem.field.strip_prefix("links").unwrap_or_default();
        problem.field = format!("metadata.annotations[{}.{}]{field}", pod::LINKS, component.name);
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Error::Problems(problems)),
    }
}

/// How the components of a pod answer together.
fn routes(triggers: &[Trigger]) -> Routes {
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
