//! Which files containerd loads: the one that it is started with and what that imports, in its order. Pure.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::document::Document;
use super::error::ConfigError;
use super::{DROP_IN, Plan};

/// More than anybody has.
const MAX_FILES: usize = 64;

impl Plan<'_> {
    /// All files, each later one over those before it (`LoadConfig` in containerd's config.go: level by level). None where the first
    /// does not exist; an import that does not exist is left to containerd to complain of.
    pub(super) fn loaded(&self) -> Result<Vec<(PathBuf, Document)>, ConfigError> {
        let mut pending = VecDeque::from([self.situation.config.clone()]);
        let mut loaded: Vec<(PathBuf, Document)> = Vec::new();
        while let Some(path) = pending.pop_front() {
            if loaded.iter().any(|(known, _)| *known == path) {
                continue;
            }
            if loaded.len() == MAX_FILES {
                return Err(ConfigError::TooManyImports {
                    path: self.situation.config.clone(),
                    limit: MAX_FILES,
                });
            }
            let Some(document) = self.document(&path)? else {
                continue;
            };
            for import in document.imports() {
                pending.extend(self.resolve(&absolute(&path, import)));
            }
            loaded.push((path, document));
        }
        Ok(loaded)
    }

    fn resolve(&self, import: &Path) -> Vec<PathBuf> {
        let Some((folder, pattern)) = split(import) else {
            return vec![import.to_owned()];
        };
        if !pattern.contains('*') {
            return vec![import.to_owned()];
        }
        let mut files = self.tree.list(folder);
        files.retain(|file| {
            file.file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| matches(pattern, name))
        });
        files.sort();
        files
    }
}

/// The folder of drop-ins that a file imports, if our drop-in would be among them.
pub(super) fn folder(config: &Path, root: &Document) -> Option<PathBuf> {
    root.imports().into_iter().find_map(|import| {
        let import = absolute(config, import);
        let (folder, pattern) = split(&import)?;
        let plain = !folder.to_string_lossy().contains(['*', '?', '[']);
        (plain && pattern.contains('*') && matches(pattern, DROP_IN)).then(|| folder.to_owned())
    })
}

/// Our drop-in where nothing suits, and the import for it: a pattern, since containerd does not start where an import without a star
/// does not exist, and one that nobody else's file matches, since those lie there unused for a reason.
pub(super) fn own_import(config: &Path) -> (PathBuf, String) {
    let folder = config.parent().unwrap_or(Path::new("/")).join("conf.d");
    let import = folder.join("shoal*.toml").to_string_lossy().into_owned();
    (folder.join(DROP_IN), import)
}

fn absolute(parent: &Path, import: &str) -> PathBuf {
    match parent.parent() {
        Some(folder) => folder.join(import),
        None => PathBuf::from(import),
    }
}

fn split(path: &Path) -> Option<(&Path, &str)> {
    Some((path.parent()?, path.file_name()?.to_str()?))
}

/// As Go's `filepath.Match`, as far as stars go.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => name.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len())
                .filter(|at| rest.is_char_boundary(*at))
                .any(|at| rest.get(at..).is_some_and(|rest| matches(after, rest)))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_match_as_in_go() {
        assert!(matches("*.toml", "shoal.toml") && matches("shoal*.toml", "shoal.toml"));
        assert!(matches("*", "x") && matches("s*a*.toml", "shoal.toml"));
        assert!(!matches("*.conf", "shoal.toml") && !matches("1*.toml", "shoal.toml"));
        assert!(!matches("shoal.toml.bak", "shoal.toml"));
    }
}
