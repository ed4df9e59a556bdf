//! Both seams on a laptop: components come from the cache and the compiler, and everything is reached from this process.

use crate::assembly::volumes::Volumes;
use crate::edges::host::{Host, Logs, default_policy};
use crate::id::DEFAULT_NAMESPACE;
use crate::{Compiled, Output, Outside, Owner, ServiceError, ServiceId, StoreFile, Supplied, Supply};
use async_trait::async_trait;
use shoal_api::{Component, ImagePullPolicy, PersistentStore, Problem, Store};
use shoal_artifact::{Artifact, ArtifactError, Member, Progress, PullPolicy, Source};
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
    async fn supply(&self, components: &[&Component], roots: &[usize]) -> Result<Supplied, ServiceError> {
        let listeners: Vec<_> = components.iter().map(|it| (self.progress)(&it.name)).collect();
        let mut artifacts = Vec::new();
        for (component, listener) in components.iter().zip(&listeners) {
            artifacts.push(self.fetch(component, &**listener).await?);
        }
        let members = components.iter().zip(&artifacts);
        let members: Vec<_> = members
            .map(|(component, artifact)| Member { component, artifact })
            .collect();
        let mut compiled = Vec::new();
        for root in roots {
            if let Some(listener) = listeners.get(*root) {
                compiled.push(self.compose(&members, *root, &**listener).await?);
            }
        }
        Ok(Supplied {
            digests: artifacts.iter().map(|it| it.digest.to_string()).collect(),
            roots: compiled,
        })
    }
}

impl LocalSupply<'_> {
    /// Brings a component here.
    async fn fetch(&self, component: &Component, progress: &dyn Progress) -> Result<Artifact, ServiceError> {
        let failed = |source| ServiceError::Artifact {
            component: component.name.clone(),
            source,
        };
        let source = source(component, self.base).map_err(failed)?;
        let mut fetch = self.host.options.clone();
        match component.image_pull_policy {
            Some(ImagePullPolicy::Always) => fetch.policy = PullPolicy::Always,
            Some(ImagePullPolicy::IfNotPresent) => fetch.policy = PullPolicy::IfNotPresent,
            Some(ImagePullPolicy::Never) => fetch.policy = PullPolicy::Never,
            None if fetch.policy == PullPolicy::IfNotPresent => fetch.policy = default_policy(&source),
            None => {}
        }
        let fetched = self.host.cache.fetch(&source, &fetch, progress).await;
        fetched.map_err(failed)
    }

    /// The component at `root`, compiled together with those that it is linked to.
    async fn compose(
        &self,
        members: &[Member<'_>],
        root: usize,
        progress: &dyn Progress,
    ) -> Result<Compiled, ServiceError> {
        let failed = |source| match source {
            ArtifactError::Unfit { reason } => ServiceError::Unfit { reason },
            source => ServiceError::Artifact {
                component: members
                    .get(root)
                    .map_or_else(String::new, |it| it.component.name.clone()),
                source,
            },
        };
        let Host { cache, compiler, .. } = self.host;
        let whole = cache.composed(root, members, compiler).await.map_err(failed)?;
        let compiled = self
            .host
            .compile(&whole.artifact, progress)
            .await
            .map_err(failed)?;
        Ok(Compiled {
            places: whole.places,
            ..compiled
        })
    }
}

impl Host {
    pub(crate) async fn load_from(
        &self,
        source: &Source,
        progress: &dyn Progress,
    ) -> Result<Compiled, ArtifactError> {
        let artifact = self.cache.fetch(source, &self.options, progress).await?;
        self.compile(&artifact, progress).await
    }

    /// Compiles an artifact where that was not done before.
    async fn compile(&self, artifact: &Artifact, progress: &dyn Progress) -> Result<Compiled, ArtifactError> {
        let compiled = self.cache.compiled(artifact, &self.compiler, progress).await?;
        let digest = artifact.digest.to_string();
        Ok(Compiled::new(compiled.path, digest, compiled.description, vec![0]).pinned(compiled.pin))
    }
}

fn source(component: &Component, base: &Path) -> Result<Source, ArtifactError> {
    match (&component.image, &component.file) {
        (Some(image), _) => Source::reference(image),
        (None, file) => Ok(Source::File(base.join(file.as_deref().unwrap_or_default()))),
    }
}

/// The outside of one service. Folders that were made for its volumes go when it goes.
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

/// The name of a store's file in a volume, which other services may have too. Names of Kubernetes have no underscore, so no two stores have
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
