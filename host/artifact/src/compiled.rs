//! WebAssembly in the cache → a compiled file beside it. Compiling is done by `shoal_compile`'s child process;
//! loading the file, by `engine`'s one unsafe door.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use shoal_compile::{Compiler, Description};

use crate::cache::{self, open_ours};
use crate::error::IoContext;
use crate::fetch::{blocking, unshare};
use crate::pins::Pin;
use crate::progress::{Running, Step};
use crate::reserve::Reserve;
use crate::room::on_disk;
use crate::staging::Staging;
use crate::{Artifact, ArtifactError, Cache, Digest, Progress};

/// A compiled file that this cache made, and nobody else.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The native code, to be mapped.
    pub path: PathBuf,
    /// What the compiler read from the WebAssembly.
    pub description: Description,
    /// The digest of the WebAssembly.
    pub digest: Digest,
    /// Keeps it in the cache.
    pub pin: Pin,
}

/// What lies beside a compiled file.
#[derive(Serialize, Deserialize)]
struct Beside {
    /// See [`cache::VERSION`].
    #[serde(default = "cache::first")]
    version: u32,
    description: Description,
    /// The length of the compiled file in bytes.
    size: u64,
}

impl Cache {
    /// The compiled file for `artifact` and this compiler's engine; compiles it if it is not in the cache. Several
    /// who ask at the same time, in this process or in others, wait for one compilation.
    ///
    /// # Errors
    ///
    /// [`ArtifactError::Compile`] when the compiler refuses, and what can go wrong with files.
    pub async fn compiled(
        &self,
        artifact: &Artifact,
        compiler: &Compiler,
        progress: &dyn Progress,
    ) -> Result<Compiled, ArtifactError> {
        let fingerprint = compiler.fingerprint().await?;
        let dir = self.compiled_dir(fingerprint)?;
        self.engine_is(&dir).await?;
        let digest = artifact.digest.clone();
        if let Some(found) = self.find(&dir, &digest).await? {
            return Ok(found);
        }
        let key = format!("compile {fingerprint} {digest}");
        let waiting = || Running::start(progress, Step::Waiting, None);
        let flight = async {
            self.compile(&key, &dir, artifact, compiler, progress)
                .await
                .map_err(Arc::new)
        };
        self.inner
            .compilations
            .run(key.clone(), waiting, flight)
            .await
            .map_err(unshare)
    }

    /// What the compiler reads from `artifact`, which it doesn't compile for that. A component that may not run is refused by it at once.
    ///
    /// # Errors
    ///
    /// [`ArtifactError::Compile`] when it is no component, and what can go wrong with files.
    pub async fn described(
        &self,
        artifact: &Artifact,
        compiler: &Compiler,
    ) -> Result<Description, ArtifactError> {
        let dir = self.compiled_dir(compiler.fingerprint().await?)?;
        match self.find(&dir, &artifact.digest).await? {
            Some(found) => Ok(found.description),
            None => Ok(compiler.describe(&artifact.path).await?),
        }
    }

    async fn compile(
        &self,
        key: &str,
        dir: &Path,
        artifact: &Artifact,
        compiler: &Compiler,
        progress: &dyn Progress,
    ) -> Result<Compiled, ArtifactError> {
        let _lock = self.lock(key).await?;
        // Another process may have compiled it while we waited for the lock.
        if let Some(found) = self.find(dir, &artifact.digest).await? {
            return Ok(found);
        }
        let _running = Running::start(progress, Step::Compiling, Some(artifact.size));
        let staging = Arc::new(self.staging()?);
        // The compiler writes into this file; made by us, so that no umask opens it to others.
        staging.create("cwasm")?;
        let space = Reserve::new(&staging, 0);
        let path = staging.path("cwasm");
        let compiled = compiler.compile_within(&artifact.path, &path, &space);
        let description = compiled.await.map_err(|error| space.refusal(error))?;
        let (dir, digest, cache) = (dir.to_owned(), artifact.digest.clone(), self.clone());
        blocking(move || cache.install_code(&staging, &dir, digest, description)).await
    }

    fn install_code(
        &self,
        staging: &Staging,
        dir: &Path,
        digest: Digest,
        description: Description,
    ) -> Result<Compiled, ArtifactError> {
        let (cwasm, json) = names(dir, &digest);
        let size = fs::metadata(staging.path("cwasm"))
            .io("look at", staging.path("cwasm"))?
            .len();
        let beside = Beside {
            version: cache::VERSION,
            description,
            size,
        };
        let text = serde_json::to_vec(&beside)
            .map_err(io::Error::from)
            .io("write", staging.path("json"))?;
        staging.reserve(on_disk(size) + on_disk(text.len() as u64))?;
        staging
            .create("json")?
            .write_all(&text)
            .io("write", staging.path("json"))?;
        let pin = self.hold(&staging.path("cwasm"), &cwasm)?;
        // The description comes last: where it lies, the code is complete.
        staging.install("cwasm", &cwasm)?;
        staging.install("json", &json)?;
        Ok(Compiled {
            path: cwasm,
            description: beside.description,
            digest,
            pin,
        })
    }

    /// A compiled file with its description, if both are there, ours and of one making.
    async fn find(&self, dir: &Path, digest: &Digest) -> Result<Option<Compiled>, ArtifactError> {
        let (cache, dir, digest) = (self.clone(), dir.to_owned(), digest.clone());
        blocking(move || {
            let (cwasm, json) = names(&dir, &digest);
            // First, so that it stays what is looked at.
            let Some(pin) = cache.pin(&cwasm)? else {
                return Ok(None);
            };
            let Some(file) = open_ours(&json)? else {
                return Ok(None);
            };
            // A description that this version can't read was written by another: compile again.
            let Ok(beside) = serde_json::from_reader::<_, Beside>(io::BufReader::new(file)) else {
                return Ok(None);
            };
            let Some(code) = open_ours(&cwasm)? else {
                return Ok(None);
            };
            let whole = code.metadata().io("look at", &cwasm)?.len() == beside.size;
            Ok(whole.then_some(Compiled {
                path: cwasm,
                description: beside.description,
                digest,
                pin,
            }))
        })
        .await
    }
}

fn names(dir: &Path, digest: &Digest) -> (PathBuf, PathBuf) {
    (
        dir.join(format!("{}.cwasm", digest.hex())),
        dir.join(format!("{}.json", digest.hex())),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use shoal_golden::Golden;

    #[test]
    fn what_earlier_versions_wrote_is_read() {
        let golden = Golden::new(env!("CARGO_MANIFEST_DIR"), cache::VERSION);
        golden.current::<Beside>("compiled.json");
        golden.readable_before("compiled.json");
        let sizes = golden.read_all::<Beside>("compiled.json").into_iter();
        let sizes: Vec<_> = sizes.map(|it| (it.version, it.size)).collect();
        assert_eq!(sizes, [(1, 186_000), (2, 186_000)]);
    }
}
