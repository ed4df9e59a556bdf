//! Where the child's result goes: a file that grows as far as its owner allows.

use crate::CompileError;
use std::future::{Future, ready};
use std::path::Path;
use std::pin::Pin;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::ChildStdout;

/// How much is read at once.
const STEP: usize = 64 << 10;

/// Who has a say in how large a result becomes. `()` has none.
pub trait Space: Sync {
    /// Called before the result grows to `total` bytes; an error ends the compilation.
    fn grow(&self, total: u64) -> Growth<'_>;
}

/// The answer of a [`Space`].
pub type Growth<'a> = Pin<Box<dyn Future<Output = std::io::Result<()>> + Send + 'a>>;

impl Space for () {
    fn grow(&self, _total: u64) -> Growth<'_> {
        Box::pin(ready(Ok(())))
    }
}

/// A file for a result.
pub(crate) struct Output<'a> {
    file: tokio::fs::File,
    path: &'a Path,
    space: &'a dyn Space,
}

impl<'a> Output<'a> {
    pub(crate) async fn create(path: &'a Path, space: &'a dyn Space) -> Result<Self, CompileError> {
        let file = tokio::fs::File::create(path).await.map_err(io("create", path))?;
        Ok(Self { file, path, space })
    }

    /// Writes all that the child says, at most `limit` bytes.
    pub(crate) async fn receive(mut self, from: &mut ChildStdout, limit: u64) -> Result<(), CompileError> {
        let mut buffer = vec![0; STEP];
        let mut written = 0;
        loop {
            let count = from.read(&mut buffer).await.map_err(io("write", self.path))?;
            if count == 0 {
                break;
            }
            written += count as u64;
            if written > limit {
                return Err(CompileError::Limit {
                    limit: format!("{limit} bytes of native code"),
                });
            }
            self.space
                .grow(written)
                .await
                .map_err(io("make room for", self.path))?;
            let bytes = buffer.get(..count).unwrap_or_default();
            self.file.write_all(bytes).await.map_err(io("write", self.path))?;
        }
        self.file.flush().await.map_err(io("write", self.path))?;
        self.file.sync_all().await.map_err(io("write", self.path))
    }
}

pub(crate) fn io<'a>(action: &'static str, path: &'a Path) -> impl Fn(std::io::Error) -> CompileError + 'a {
    move |error| CompileError::Io {
        action,
        path: path.to_owned(),
        reason: error.to_string(),
    }
}
