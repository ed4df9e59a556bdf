//! Where manifests come from: files, folders, standard input. A file that did not change is not read again, so that a change of one
//! manifest among a thousand costs one parse, and a look at each file.

use super::watch::{Stamp, stamp};
use crate::manifests::{self, Entry, Manifests, Parsed};
use shoal_api::Problem;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The manifests of one `shoal up`.
pub(super) struct Sources {
    paths: Vec<PathBuf>,
    /// Standard input can be read once.
    stdin: Option<Arc<Parsed>>,
    /// What the files held, and what they were before that was read.
    known: HashMap<PathBuf, (Option<Stamp>, Arc<Parsed>)>,
}

impl Sources {
    pub(super) fn new(paths: Vec<PathBuf>) -> Self {
        Self {
            paths,
            stdin: None,
            known: HashMap::new(),
        }
    }

    /// The manifests' files as they are now: those of a folder come and go.
    pub(super) fn files(&self) -> Result<Vec<PathBuf>, Problem> {
        manifests::expand(&self.paths)
    }

    /// What the manifests hold now.
    pub(super) fn read(&mut self) -> Result<Manifests, Vec<Problem>> {
        let files = self.files().map_err(|problem| vec![problem])?;
        let (mut all, mut problems) = (Vec::new(), Vec::new());
        let mut known = HashMap::new();
        for path in files.iter().filter(|it| *it != Path::new("-")) {
            // Before it is read: a change that comes meanwhile is seen as one.
            let now = stamp(path);
            let parsed = match self.known.get(path) {
                Some((before, parsed)) if *before == now => Ok(Arc::clone(parsed)),
                _ => read(path),
            };
            match parsed {
                Ok(parsed) => {
                    known.insert(path.clone(), (now, Arc::clone(&parsed)));
                    all.push(parsed);
                }
                Err(mut found) => problems.append(&mut found),
            }
        }
        if files.iter().any(|it| it == Path::new("-")) {
            match self.stdin.clone().map_or_else(|| read(Path::new("-")), Ok) {
                Ok(parsed) => all.push(Arc::clone(self.stdin.insert(parsed))),
                Err(mut found) => problems.append(&mut found),
            }
        }
        self.known = known;
        match Manifests::of(&all) {
            Ok(manifests) if problems.is_empty() => Ok(manifests),
            Ok(_) => Err(problems),
            Err(mut names) => {
                problems.append(&mut names);
                Err(problems)
            }
        }
    }
}

/// Reads a manifest whose services can all be run.
fn read(path: &Path) -> Result<Arc<Parsed>, Vec<Problem>> {
    let parsed = manifests::parse_one(&manifests::read(path))?;
    let unsupported: Vec<_> = parsed
        .services
        .iter()
        .flat_map(|entry| entry.unsupported())
        .collect();
    if unsupported.is_empty() {
        Ok(Arc::new(parsed))
    } else {
        Err(unsupported)
    }
}

impl Manifests {
    /// The components' files.
    pub(super) fn files(&self) -> impl Iterator<Item = PathBuf> {
        self.services.iter().flat_map(|entry| Entry::files(entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, name: &str) {
        let text = format!(
            "apiVersion: shoal.dev/v1alpha1\nkind: WasmService\nmetadata: {{name: {name}}}\n\
             spec: {{components: [{{name: x, file: x.wasm}}]}}\n"
        );
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn a_file_that_did_not_change_is_not_parsed_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(format!("{name}.yaml"));
        for name in ["a", "b", "c"] {
            write(&file(name), name);
        }
        let mut sources = Sources::new(vec![folder.path().to_owned()]);
        let before = sources.read().unwrap().services;
        write(&file("b"), "bb");
        std::fs::remove_file(file("c")).unwrap();
        let after = sources.read().unwrap().services;
        let names: Vec<_> = after.iter().map(|it| it.name()).collect();
        assert_eq!(names, ["a", "bb"]);
        assert!(Arc::ptr_eq(&before[0], &after[0]));
        assert!(!Arc::ptr_eq(&before[1], &after[1]));
    }

    #[test]
    fn a_mistake_is_told_at_each_reading_until_it_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let (good, bad) = (folder.path().join("a.yaml"), folder.path().join("b.yaml"));
        write(&good, "a");
        std::fs::write(&bad, "kind: Nonsense").unwrap();
        let mut sources = Sources::new(vec![folder.path().to_owned()]);
        for _ in 0..2 {
            let problems = sources.read().err().unwrap();
            assert_eq!(
                problems[0].source.as_deref(),
                Some(format!("{}:1:1", bad.display()).as_str())
            );
        }
        write(&bad, "a");
        assert!(
            sources.read().err().unwrap()[0]
                .to_string()
                .contains("rename one of the two")
        );
        write(&bad, "b");
        assert_eq!(sources.read().unwrap().services.len(), 2);
    }
}
