//! Each folder of `golden/` is a node: `before/` holds its files, `after/` what they are with our runtime, or `error.txt` why not.
//! Installing twice changes nothing more, and removing gives back every byte. `UPDATE_GOLDEN=1` writes what is expected.

#![allow(
    clippy::expect_used,
    reason = "a test that fails says so; the helpers of this file run in tests alone"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use shoal_installer::config::{self, Change, Situation, Tree};
use shoal_installer::distribution::Distribution;
use shoal_installer::runtime::{Runtime, Sandboxer, Version};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    distribution: Distribution,
    containerd: String,
    sandboxer: Option<Sandboxer>,
    runtime_path: Option<PathBuf>,
    /// Where removing gives back something else on purpose, the reason.
    not_restored: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Files(BTreeMap<PathBuf, String>);

impl Files {
    fn read_from(folder: &Path) -> Self {
        let files = walkdir::WalkDir::new(folder).into_iter().flatten();
        let files = files.filter(|entry| entry.file_type().is_file());
        Self(
            files
                .map(|entry| {
                    let inside = entry.path().strip_prefix(folder).expect("below it");
                    let text = fs::read_to_string(entry.path()).expect("text");
                    (Path::new("/").join(inside), text)
                })
                .collect(),
        )
    }

    fn write_to(&self, folder: &Path) {
        let _absent = fs::remove_dir_all(folder);
        for (path, text) in &self.0 {
            let path = folder.join(path.strip_prefix("/").expect("absolute"));
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, text).expect("written");
        }
    }

    fn with(&self, changes: &[Change]) -> Self {
        let mut files = self.0.clone();
        for change in changes {
            match &change.after {
                Some(text) => files.insert(change.path.clone(), text.clone()),
                None => files.remove(&change.path),
            };
        }
        Self(files)
    }
}

impl Tree for Files {
    fn read(&self, path: &Path) -> std::io::Result<Option<String>> {
        Ok(self.0.get(path).cloned())
    }

    fn list(&self, folder: &Path) -> Vec<PathBuf> {
        let files = self.0.keys().filter(|path| path.parent() == Some(folder));
        files.cloned().collect()
    }
}

fn run(folder: &Path) -> Result<(), String> {
    let case = fs::read_to_string(folder.join("case.json")).map_err(|error| error.to_string())?;
    let case: Case = serde_json::from_str(&case).map_err(|error| error.to_string())?;
    let situation = Situation {
        distribution: case.distribution,
        version: Version::parse(&case.containerd).ok_or("no version")?,
        config: case.distribution.config().to_owned(),
    };
    let runtime = Runtime {
        sandboxer: case.sandboxer,
        path: case.runtime_path,
        options: Vec::new(),
    };
    let before = Files::read_from(&folder.join("before"));
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let changes = match config::install(&before, &situation, &runtime) {
        Ok(changes) => changes,
        Err(error) => {
            let path = folder.join("error.txt");
            if update {
                fs::write(&path, format!("{error}\n")).map_err(|error| error.to_string())?;
            }
            let expected = fs::read_to_string(path).unwrap_or_default();
            return same("the error", &expected, &format!("{error}\n"));
        }
    };
    let after = before.with(&changes);
    if update {
        after.write_to(&folder.join("after"));
    }
    same(
        "the files after",
        &Files::read_from(&folder.join("after")),
        &after,
    )?;
    let again = config::install(&after, &situation, &runtime).map_err(|error| error.to_string())?;
    same("a second time", &Vec::new(), &again)?;
    let removal = config::remove(&after, &situation).map_err(|error| error.to_string())?;
    let restored = after.with(&removal);
    match case.not_restored {
        None => same("the files after removal", &before, &restored)?,
        Some(_) if restored == before => return Err("is restored, though it says otherwise".to_owned()),
        Some(_) => {}
    }
    let rest = config::remove(&restored, &situation).map_err(|error| error.to_string())?;
    same("a second removal", &Vec::new(), &rest)
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, expected: &T, found: &T) -> Result<(), String> {
    if expected == found {
        return Ok(());
    }
    Err(format!("{what}:\nexpected {expected:#?}\nfound {found:#?}").replace("\\n", "\n"))
}

#[test]
fn every_node_of_the_folder_becomes_what_is_written_there_and_back() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let cases = fs::read_dir(folder).expect("the folder");
    let cases: Vec<PathBuf> = cases.map(|case| case.expect("a case").path()).collect();
    assert!(cases.len() >= 20, "only {} cases", cases.len());
    let failed: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            run(case)
                .err()
                .map(|error| format!("{}: {error}", case.display()))
        })
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}
