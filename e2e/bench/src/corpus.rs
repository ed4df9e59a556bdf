//! Many distinct components: one component with a number in it, so that each has a digest, a compiled file and a memory image of
//! its own. They are made and compiled once, and kept.

use anyhow::Context;
use futures::{StreamExt, TryStreamExt};
use shoal_artifact::{Cache, Compiled, FetchOptions, Source};
use shoal_compile::Compiler;
use std::path::{Path, PathBuf};

/// A folder with components and the cache with what they were compiled to.
pub(crate) struct Corpus {
    folder: PathBuf,
    pub(crate) cache: Cache,
    pub(crate) compiler: Compiler,
}

impl Corpus {
    /// Opens a corpus, which may be empty.
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        let cache = Cache::open(folder.join("cache"))?;
        Ok(Self {
            folder: folder.to_owned(),
            cache,
            compiler: Compiler::locate()?,
        })
    }

    /// Where the components lie.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// How many components there are.
    pub(crate) fn len(&self) -> usize {
        let files = (0..).map(|index| self.folder.join(Self::name(index)));
        files.take_while(|file| file.is_file()).count()
    }

    /// The file name of a component.
    pub(crate) fn name(index: usize) -> String {
        format!("hello-{index:05}.wasm")
    }

    /// Writes the first `count` components that are copies of `original`, and compiles those that are not in the cache.
    pub(crate) async fn fill(&self, original: &Path, count: usize) -> anyhow::Result<()> {
        let wasm = std::fs::read(original).with_context(|| format!("read {}", original.display()))?;
        for index in 0..count {
            let path = self.folder.join(Self::name(index));
            let bytes = numbered(&wasm, index);
            if std::fs::read(&path).ok().as_ref() != Some(&bytes) {
                std::fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))?;
            }
        }
        let compilations = futures::stream::iter((0..count).map(|index| async move {
            if index % 100 == 99 {
                eprintln!("compiled, or found in the cache: {} of {count}", index + 1);
            }
            self.compiled(index).await
        }));
        // More than the compiler runs at once, so that it never waits for us.
        compilations
            .buffer_unordered(4)
            .try_for_each(|_| async { Ok(()) })
            .await
    }

    /// The compiled file of a component.
    pub(crate) async fn compiled(&self, index: usize) -> anyhow::Result<Compiled> {
        let source = Source::File(self.folder.join(Self::name(index)));
        let artifact = self.cache.fetch(&source, &FetchOptions::default(), &()).await?;
        Ok(self.cache.compiled(&artifact, &self.compiler, &()).await?)
    }
}

/// A component with a custom section that holds a number: it runs as before and has another digest.
fn numbered(wasm: &[u8], index: usize) -> Vec<u8> {
    const NAME: &[u8] = b"bench";
    let number = format!("{index:05}");
    let mut bytes = wasm.to_vec();
    // Section 0, its size, the length of its name, its name, its contents; lengths below 128 are one byte of LEB128.
    bytes.extend([0, (1 + NAME.len() + number.len()) as u8, NAME.len() as u8]);
    bytes.extend(NAME);
    bytes.extend(number.bytes());
    bytes
}
