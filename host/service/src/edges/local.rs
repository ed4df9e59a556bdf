//! Both seams on a laptop: components come from the cache and the compiler, and everything is reached from this process.

use crate::assembly::volumes::Volumes;
use crate::edges::host::{Host, Logs, default_policy};
use crate::id::DEFAULT_NAMESPACE;
use crate::{Admit, Compiled, Output, Outside, Owner, ServiceError, ServiceId, StoreFile, Supplied, Supply};
use async_trait::async_trait;
use shoal_api::{Component, ImagePullPolicy, PersistentStore, Problem, Store};
use shoal_artifact::{Artifact, ArtifactError, Composed, Member, Progress, PullPolicy, Source};
use shoal_capability::{Dialer, Mount, Neighbours};
use std::path::Path;
use std::sync::Arc;

/// Pulls and compiles.
pub(crate) struct LocalSupply<'a> {
    pub(crate) host: &'a Host,
    /// Where paths of files begin.
    pub(crate) base: &'a Path,
    /// Makes a listener for a component.
    pub(crate) progress: &'a (dyn Fn(&str) -> Box<dyn Progress> + Sync),
}

#[async_trait]
impl Supply for LocalSupply<'_> {
    async fn supply(
        &self,
        components: &[&Component],
        roots: &[usize],
        admit: &Admit<'_>,
    ) -> Result<Supplied, ServiceError> {
        let listeners: Vec<_> = components.iter().map(|it| (self.progress)(&it.name)).collect();
        let mut artifacts = Vec::new();
        for (component, listener) in components.iter().zip(&listeners) {
            artifacts.push(self.fetch(component, &**listener).await?);
        }
        let members = components.iter().zip(&artifacts);
        let members: Vec<_> = members
            .map(|(component, artifact)| Member { component, artifact })
            .collect();
        // All of them before the first is compiled, which may take a while.
        let mut composed = Vec::new();
        for root in roots {
            composed.push(self.compose(&members, *root, admit).await?);
        }
        let mut compiled = Vec::new();
        for (root, whole) in roots.iter().zip(composed) {
            if let (Some(member), Some(listener)) = (members.get(*root), listeners.get(*root)) {
                let made = self.host.compile(&whole.artifact, &**listener).await;
                compiled.push(Compiled {
                    places: whole.places,
                    ..made.map_err(failed(member.component))?
                });
            }
        }
        Ok(Supplied {
            digests: artifacts.iter().map(|it| it.digest.to_string()).collect(),
            roots: compiled,
        })
    }
}

impl LocalSupply<'_> {
    /// Fetches a component.
    async fn fetch(&self, component: &Component, progress: &dyn Progress) -> Result<Artifact, ServiceError> {
        let source = source(component, self.base).map_err(failed(component))?;
        let mut fetch = self.host.options.clone();
        match component.image_pull_policy {
            Some(ImagePullPolicy::Always) => fetch.policy = PullPolicy::Always,
            Some(ImagePullPolicy::IfNotPresent) => fetch.policy = PullPolicy::IfNotPresent,
            Some(ImagePullPolicy::Never) => fetch.policy = PullPolicy::Never,
            None if fetch.policy == PullPolicy::IfNotPresent => fetch.policy = default_policy(&source),
            None => {}
        }
        let fetched = self.host.cache.fetch(&source, &fetch, progress).await;
        fetched.map_err(failed(component))
    }

    /// The component at `root`, composed with those that it is linked to, if it may run. Nothing is compiled for that.
    async fn compose(
        &self,
        members: &[Member<'_>],
        root: usize,
        admit: &Admit<'_>,
    ) -> Result<Composed, ServiceError> {
        let Some(member) = members.get(root) else {
            return Err(ServiceError::Manifest(Vec::new()));
        };
        let Host { cache, compiler, .. } = self.host;
        let whole = cache.composed(root, members, compiler).await;
        let whole = whole.map_err(|error| match error {
            ArtifactError::Unfit { reason } => ServiceError::Unfit { reason },
            error => failed(member.component)(error),
        })?;
        let description = cache.described(&whole.artifact, compiler).await;
        admit(&whole.places, &description.map_err(failed(member.component))?)?;
        Ok(whole)
    }
}

impl Host {
    /// Compiles an artifact where that was not done before.
    pub(crate) async fn compile(
        &self,
        artifact: &Artifact,
        progress: &dyn Progress,
    ) -> Result<Compiled, ArtifactError> {
        let compiled = self.cache.compiled(artifact, &self.compiler, progress).await?;
        let digest = artifact.digest.to_string();
        Ok(Compiled::new(compiled.path, digest, compiled.description, vec![0]).pinned(compiled.pin))
    }
}

/// What could not be done with an artifact, with the name of its component.
pub(crate) fn failed(component: &Component) -> impl Fn(ArtifactError) -> ServiceError {
    |source| ServiceError::Artifact {
        component: component.name.clone(),
        source,
    }
}

fn source(component: &Component, base: &Path) -> Result<Source, ArtifactError> {
    match (&component.image, &component.file) {
        (Some(image), _) => Source::reference(image),
        (None, file) => Ok(Source::File(base.join(file.as_deref().unwrap_or_default()))),
    }
}

/// The outside of one service. Folders that were made for its volumes are removed with it.
pub(crate) struct LocalOutside {
    pub(crate) id: ServiceId,
    pub(crate) logs: Arc<dyn Logs>,
    pub(crate) dialer: Arc<dyn Dialer>,
    pub(crate) neighbours: Arc<dyn Neighbours>,
    pub(crate) volumes: Volumes,
    /// What is wrong with volumes.
    pub(crate) problems: Vec<Problem>,
}

#[async_trait]
impl Outside for LocalOutside {
    fn owner(&self) -> Owner {
        Owner {
            name: self.id.to_string(),
            lasting: true,
        }
    }

    fn problems(&self) -> Vec<Problem> {
        self.problems.clone()
    }

    fn dialer(&self, _place: usize) -> Arc<dyn Dialer> {
        Arc::clone(&self.dialer)
    }

    fn neighbours(&self) -> Option<Arc<dyn Neighbours>> {
        Some(Arc::clone(&self.neighbours))
    }

    fn output(&self, _place: usize, component: &Component) -> Output {
        Output::Log(self.logs.of(&self.id.name, &component.name))
    }

    async fn mounts(&self, _place: usize, component: &Component) -> Result<Vec<Mount>, ServiceError> {
        let grants = component.capabilities.filesystem.iter();
        Ok(grants.filter_map(|it| self.volumes.mount(it)).collect())
    }

    async fn store_file(&self, store: &Store) -> Result<Option<StoreFile>, ServiceError> {
        let Some(PersistentStore { volume }) = &store.persistent else {
            return Ok(None);
        };
        let folder = self.volumes.folder(volume);
        Ok(folder.map(|it| StoreFile::Named(it.join(file_name(&self.id, &store.name)))))
    }
}

/// The name of a store's file in a volume that services may share. Names of Kubernetes have no underscore, so no two stores have
/// the same file. In the namespace `default` it is what pods call it as well.
fn file_name(id: &ServiceId, store: &str) -> String {
    let ServiceId { namespace, name } = id;
    match namespace.as_str() {
        DEFAULT_NAMESPACE => format!("{name}.{store}.redb"),
        namespace => format!("{namespace}_{name}.{store}.redb"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_of_two_namespaces_share_no_file() {
        let names = [
            ("default", "shop", "data"),
            ("other", "shop", "data"),
            ("default", "other.shop", "data"),
        ];
        let names = names.map(|(namespace, name, store)| file_name(&ServiceId::new(namespace, name), store));
        assert_eq!(
            names,
            ["shop.data.redb", "other_shop.data.redb", "other.shop.data.redb"]
        );
    }
}
