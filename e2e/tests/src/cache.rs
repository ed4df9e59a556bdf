//! A cache of a test's own, to see what it holds.

use crate::process::{Ended, run_with};
use crate::registry::walk;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A cache that nobody else uses.
pub struct Cache(TempDir);

impl Default for Cache {
    fn default() -> Self {
        Self::new()
    }
}

impl Cache {
    /// An empty one.
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The folder around it.
    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.0.path().join("cache")
    }

    /// Runs `shoal` with it, to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        run_with(arguments, b"", &[], &self.path())
    }

    /// The files that are kept in it, but for locks and the size of it all, which say nothing of what is there.
    pub fn files(&self) -> Vec<PathBuf> {
        let (root, mut found) = (self.path(), Vec::new());
        walk(&root, &mut found);
        let inside = found
            .iter()
            .map(|path| path.strip_prefix(&root).unwrap().to_owned());
        inside
            .filter(|path| !path.starts_with("locks") && path != Path::new("size"))
            .collect()
    }
}
