//! WebAssembly that is made of other artifacts, kept like those that were fetched. How it is made is the caller's business.

use std::io::Write;

use crate::error::IoContext;
use crate::fetch::blocking;
use crate::format::Format;
use crate::ingest;
use crate::{Artifact, ArtifactError, Cache};

/// The name of the file while it is written.
const WASM: &str = "wasm";

impl Cache {
    /// The artifact that `make` makes, or made before under this key: so the key says all that the result depends on. Several who ask
    /// at the same time, in this process or in others, make it once. `make` is called where blocking is fine.
    ///
    /// # Errors
    ///
    /// The outer one where files can't be read or written, the inner one is what `make` said.
    pub async fn derived<E: Send + 'static>(
        &self,
        key: &str,
        make: impl FnOnce() -> Result<Vec<u8>, E> + Send + 'static,
    ) -> Result<Result<Artifact, E>, ArtifactError> {
        let key = format!("derived {key}");
        let _lock = self.lock(&key).await?;
        let cache = self.clone();
        blocking(move || {
            if let Some(found) = cache.lookup(&key)? {
                return Ok(Ok(found));
            }
            let wasm = match make() {
                Ok(wasm) => wasm,
                Err(error) => return Ok(Err(error)),
            };
            let staging = cache.staging()?;
            let mut file = staging.create(WASM)?;
            file.write_all(&wasm).io("write", staging.path(WASM))?;
            let digest = crate::Digest::of(&wasm);
            let (digest, size) = ingest::install(&cache, &staging, WASM, &key, digest)?;
            let artifact = Artifact {
                path: cache.blob(&digest),
                digest,
                size,
                format: Format::File,
                reference_resolved: Some(key.clone()),
            };
            cache.remember(&key, &artifact)?;
            Ok(Ok(artifact))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_made_once_for_a_key_and_errors_are_not_kept() {
        let dir = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(dir.path().join("cache")).expect("a cache");
        let wasm = b"\0asm\x0d\0\x01\0".to_vec();
        let failed = cache.derived("a b", || Err("no")).await.expect("files");
        assert_eq!(failed, Err("no"));
        let made = wasm.clone();
        let first = cache
            .derived::<&str>("a b", move || Ok(made))
            .await
            .expect("files");
        let first = first.expect("made");
        assert_eq!(std::fs::read(&first.path).expect("a file"), wasm);
        let again = cache.derived("a b", || Err("made twice")).await.expect("files");
        assert_eq!(again.expect("found").digest, first.digest);
        let other = cache.derived("b a", || Err("another key")).await.expect("files");
        assert_eq!(other, Err("another key"));
    }
}
