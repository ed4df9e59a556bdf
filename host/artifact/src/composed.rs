//! Artifacts that are one component together, kept like those that were fetched. They are composed by `shoal_compile`'s child process.

use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;

use shoal_api::Component;
use shoal_compile::{CompileError, Compiler, Link, Part};

use crate::error::IoContext;
use crate::fetch::blocking;
use crate::format::Format;
use crate::ingest;
use crate::manage::COMPOSED;
use crate::reserve::Reserve;
use crate::{Artifact, ArtifactError, Cache, Digest};

/// The name of the file while it is written.
const WASM: &str = "wasm";

/// A component and its artifact.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// What the manifest says of it.
    pub component: &'a Component,
    /// Its WebAssembly.
    pub artifact: &'a Artifact,
}

/// A component out of several.
#[derive(Clone, Debug)]
pub struct Composed {
    /// Its WebAssembly.
    pub artifact: Artifact,
    /// Which members are in it, in the order of their places; the root first.
    pub places: Vec<usize>,
}

impl Cache {
    /// The component that the member `root` makes with all that it is linked to: composed now, or before. Several who ask at the same
    /// time, in this process or in others, compose it once. One without links is itself.
    ///
    /// # Errors
    ///
    /// [`ArtifactError::Unfit`] where they don't fit together, and what can go wrong with files.
    pub async fn composed(
        &self,
        root: usize,
        members: &[Member<'_>],
        compiler: &Compiler,
    ) -> Result<Composed, ArtifactError> {
        let links: Vec<Vec<Link>> = members.iter().map(|it| links(it.component)).collect();
        let places = order(root, members, &links)?;
        let chosen: Vec<_> = places
            .iter()
            .filter_map(|at| {
                let Member { component, artifact } = members.get(*at)?;
                Some(Part {
                    name: &component.name,
                    wasm: &artifact.path,
                    links: links.get(*at)?,
                })
            })
            .collect();
        let artifacts: Vec<_> = places
            .iter()
            .filter_map(|at| Some(members.get(*at)?.artifact))
            .collect();
        let artifact = match artifacts.as_slice() {
            [alone] => (*alone).clone(),
            _ => self.compose(&chosen, &artifacts, compiler).await?,
        };
        Ok(Composed { artifact, places })
    }

    async fn compose(
        &self,
        parts: &[Part<'_>],
        artifacts: &[&Artifact],
        compiler: &Compiler,
    ) -> Result<Artifact, ArtifactError> {
        let key = key(compiler.fingerprint().await?, parts, artifacts);
        let _lock = self.lock(&key).await?;
        let (cache, known) = (self.clone(), key.clone());
        if let Some(found) = blocking(move || cache.lookup(&known)).await? {
            return Ok(found);
        }
        let staging = Arc::new(self.staging()?);
        // The compiler writes into this file; made by us, so that no umask opens it to others.
        staging.create(WASM)?;
        let space = Reserve::new(&staging, 0);
        let composed = compiler.compose(parts, &staging.path(WASM), &space).await;
        composed.map_err(|error| match error {
            CompileError::Compose { reason } => ArtifactError::Unfit { reason },
            error => space.refusal(error),
        })?;
        let cache = self.clone();
        blocking(move || {
            let path = staging.path(WASM);
            let wasm = fs::read(&path).io("read", &path)?;
            let installed = ingest::install(&cache, &staging, WASM, &key, Digest::of(&wasm))?;
            let artifact = installed.artifact(&cache, Format::File, Some(key.clone()));
            cache.remember(&key, &artifact)?;
            Ok(artifact)
        })
        .await
    }
}

/// The links of a component within its service.
fn links(component: &Component) -> Vec<Link> {
    let links = component.links.iter();
    let links = links.filter_map(|link| {
        Some(Link {
            import: link.import.clone(),
            part: link.component.clone()?,
        })
    });
    links.collect()
}

fn order(root: usize, members: &[Member<'_>], links: &[Vec<Link>]) -> Result<Vec<usize>, ArtifactError> {
    let links: Vec<Vec<_>> = links
        .iter()
        .map(|links| {
            let links = links.iter();
            let links = links.map(|Link { import, part }| shoal_compose::Link {
                import: import.clone(),
                part: part.clone(),
            });
            links.collect()
        })
        .collect();
    let parts: Vec<_> = members
        .iter()
        .zip(&links)
        .map(|(member, links)| shoal_compose::Part {
            name: &member.component.name,
            wasm: &[],
            links,
        })
        .collect();
    let root = members.get(root).map_or("", |it| it.component.name.as_str());
    shoal_compose::order(root, &parts).map_err(|error| ArtifactError::Unfit {
        reason: error.to_string(),
    })
}

/// All that a composition depends on.
fn key(compiler: &str, parts: &[Part<'_>], artifacts: &[&Artifact]) -> String {
    let mut key = format!("{COMPOSED}{compiler}");
    for (part, artifact) in parts.iter().zip(artifacts) {
        // Names are labels and interfaces, which hold neither spaces nor brackets. Writing to a string does not fail.
        let _ = write!(key, " {}={}", part.name, artifact.digest);
        for Link { import, part } in part.links {
            let _ = write!(key, "[{import}>{part}]");
        }
    }
    key
}
