//! Which project a component's file is made of: looked for in the file's folder, then above it up to the manifest's.

use crate::failure::Failure;
use serde::Serialize;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The language of a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Rust,
    Go,
    JavaScript,
    Python,
    C,
}

/// A project and the file that it is to make.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Project {
    pub(super) kind: Kind,
    /// Absolute.
    pub(super) folder: PathBuf,
    /// Absolute.
    pub(super) output: PathBuf,
}

impl Kind {
    /// The kind of a folder with files of these names.
    pub(crate) fn of(names: &[String]) -> Option<Self> {
        let has = |name: &str| names.iter().any(|it| it == name);
        let marks: [(&[&str], Self); 4] = [
            (&["Cargo.toml"], Self::Rust),
            (&["go.mod"], Self::Go),
            (&["package.json"], Self::JavaScript),
            (&["app.py"], Self::Python),
        ];
        let marked = marks.iter().find(|(marks, _)| marks.iter().any(|it| has(it)));
        let c = || names.iter().any(|it| it.ends_with(".c")).then_some(Self::C);
        marked.map(|(_, kind)| *kind).or_else(c)
    }
}

impl Project {
    /// The project of a file; none where the file is there without one.
    pub(super) fn find(base: &Path, output: &Path) -> Result<Option<Self>, Failure> {
        let absolute = |path: &Path| {
            std::path::absolute(path).map_err(|error| Failure::Other(format!("{}: {error}", path.display())))
        };
        let base = absolute(if base.as_os_str().is_empty() {
            Path::new(".")
        } else {
            base
        })?;
        let output = absolute(output)?;
        let folders = output.ancestors().skip(1);
        for folder in folders {
            if let Some(kind) = Kind::of(&names(folder)) {
                return Ok(Some(Self {
                    kind,
                    folder: folder.to_owned(),
                    output,
                }));
            }
            if folder == base || !folder.starts_with(&base) {
                break;
            }
        }
        match output.exists() {
            true => Ok(None),
            false => Err(Failure::Other(format!(
                "nothing makes {}: beside it there is neither Cargo.toml, go.mod, package.json, app.py nor a .c file",
                output.display()
            ))),
        }
    }

    /// Where the component is written before it is whole. On the same file system, so that it can be renamed.
    pub(super) fn new_file(&self) -> PathBuf {
        let mut name = OsString::from(&self.output);
        name.push(".new");
        name.into()
    }

    /// The folder with the project's WIT.
    pub(super) fn wit(&self) -> Result<PathBuf, Failure> {
        let wit = self.folder.join("wit");
        match wit.is_dir() {
            true => Ok(wit),
            false => Err(Failure::Other(format!(
                "{} is missing: it says what the component imports and exports",
                wit.display()
            ))),
        }
    }
}

/// Names of the files in a folder; none where it can't be read.
fn names(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    entries
        .filter_map(|it| it.file_name().into_string().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_told_by_its_files() {
        let of = |names: &[&str]| Kind::of(&names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&["README.md", "shoal.yaml"]), None);
        assert_eq!(of(&["service.c", "wit"]), Some(Kind::C));
        assert_eq!(of(&["app.py", "requirements.txt"]), Some(Kind::Python));
        // A build script in another language does not make a project of that language.
        assert_eq!(of(&["helper.c", "Cargo.toml", "package.json"]), Some(Kind::Rust));
    }

    #[test]
    fn the_nearest_project_makes_the_file_and_none_above_the_manifest() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let base = root.join("shop");
        std::fs::create_dir_all(base.join("cart/out")).unwrap();
        std::fs::write(root.join("Cargo.toml"), "").unwrap();
        std::fs::write(base.join("cart/app.py"), "").unwrap();
        let find = |file: &str| Project::find(&base, &base.join(file));
        let cart = find("cart/out/cart.wasm").unwrap().unwrap();
        assert_eq!(
            (cart.kind, cart.folder.as_path()),
            (Kind::Python, base.join("cart").as_path())
        );
        assert_eq!(cart.new_file(), base.join("cart/out/cart.wasm.new"));

        assert!(find("web.wasm").unwrap_err().message().contains("Cargo.toml"));
        std::fs::write(base.join("web.wasm"), "").unwrap();
        assert_eq!(find("web.wasm").unwrap(), None);
    }
}
