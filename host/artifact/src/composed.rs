//! Artifacts that are one component together, kept like those that were fetched. They are composed by `shoal_compile`'s child process.

use std::fmt::Write as _;
use std::fs;

use shoal_compile::{Compiler, Link, Part};

use crate::error::IoContext;
use crate::fetch::blocking;
use crate::format::Format;
use crate::ingest;
use crate::{Artifact, ArtifactError, Cache, Digest};

/// The name of the file while it is written.
const WASM: &str = "wasm";

/// A part of what is composed.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// Its name in the manifest.
    pub name: &'a str,
    /// Its WebAssembly.
    pub artifact: &'a Artifact,
    /// What other members provide for it.
    pub links: &'a [Link],
}

impl Cache {
    /// The component that `members` make, the first of which is what it exports: composed now, or before. Several who ask at the same
    /// time, in this process or in others, compose it once.
    ///
    /// # Errors
    ///
    /// [`ArtifactError::Compile`] where they don't fit together, and what can go wrong with files.
    pub async fn composed(
        &self,
        members: &[Member<'_>],
        compiler: &Compiler,
    ) -> Result<Artifact, ArtifactError> {
        let key = key(compiler.fingerprint().await?, members);
        let _lock = self.lock(&key).await?;
        if let Some(found) = self.lookup(&key)? {
            return Ok(found);
        }
        let staging = self.staging()?;
        // The compiler writes into this file; made by us, so that no umask opens it to others.
        staging.create(WASM)?;
        let parts: Vec<_> = members
            .iter()
            .map(
                |Member {
                     name,
                     artifact,
                     links,
                 }| Part {
                    name,
                    wasm: &artifact.path,
                    links,
                },
            )
            .collect();
        compiler.compose(&parts, &staging.path(WASM)).await?;
        let cache = self.clone();
        blocking(move || {
            let path = staging.path(WASM);
            let wasm = fs::read(&path).io("read", &path)?;
            let (digest, size) = ingest::install(&cache, &staging, WASM, &key, Digest::of(&wasm))?;
            let artifact = Artifact {
                path: cache.blob(&digest),
                digest,
                size,
                format: Format::File,
                reference_resolved: Some(key.clone()),
            };
            cache.remember(&key, &artifact)?;
            Ok(artifact)
        })
        .await
    }
}

/// All that a composition depends on.
fn key(compiler: &str, members: &[Member<'_>]) -> String {
    let mut key = format!("compose {compiler}");
    for Member {
        name,
        artifact,
        links,
    } in members
    {
        // Names are labels and interfaces, which hold neither spaces nor brackets. Writing to a string does not fail.
        let _ = write!(key, " {name}={}", artifact.digest);
        for Link { import, part } in *links {
            let _ = write!(key, "[{import}>{part}]");
        }
    }
    key
}
