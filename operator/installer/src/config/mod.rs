//! From what containerd's configuration says to what it should say: which files change, and to what. Pure: files are read through
//! [`Tree`], and nothing is written here.
//!
//! | | what is changed |
//! |---|---|
//! | containerd 2.x | a drop-in, and an import of it where there is none |
//! | containerd 1.x | the file that decides, in place: an import replaces the whole section of a plugin there |
//! | k3s, rke2 | a drop-in where the file imports a folder of them, else the template |
//! | k0s | a drop-in in its folder |
//! | microk8s | the template, in place |

mod document;
mod error;
mod loaded;
mod template;

use std::path::{Path, PathBuf};

pub use error::ConfigError;

use crate::distribution::Distribution;
use crate::runtime::{COMMENT, Runtime, Version};
use document::Document;

/// Files of the node.
pub trait Tree {
    /// The text of a file; none where there is none.
    fn read(&self, path: &Path) -> std::io::Result<Option<String>>;
    /// The files of `folder`.
    fn list(&self, folder: &Path) -> Vec<PathBuf>;
}

/// Whose configuration is looked at.
#[derive(Clone, Debug)]
pub struct Situation {
    /// Who writes it.
    pub distribution: Distribution,
    /// Who reads it.
    pub version: Version,
    /// The file that containerd loads.
    pub config: PathBuf,
}

/// A file, and what is to be in it; none removes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The file.
    pub path: PathBuf,
    /// Its text then.
    pub after: Option<String>,
}

/// What our drop-in is called, in whichever folder.
const DROP_IN: &str = "shoal.toml";
/// Where k0s looks for drop-ins.
const K0S_FOLDER: &str = "/etc/k0s/containerd.d";
/// From this microk8s makes containerd's file.
const MICROK8S_TEMPLATE: &str = "containerd-template.toml";
/// Without `imports` being said, containerd's version of the file we make.
const NEWEST_FILE: i64 = 3;

/// What has to change so that containerd knows `runtime`: nothing where it is all there.
pub fn install(
    tree: &dyn Tree,
    situation: &Situation,
    runtime: &Runtime,
) -> Result<Vec<Change>, ConfigError> {
    let plan = Plan { tree, situation };
    let changes = match situation.distribution {
        Distribution::Plain if situation.version.major >= 2 => plan.drop_in_and_import(runtime)?,
        Distribution::Plain => plan.in_place(runtime)?,
        Distribution::K3s | Distribution::Rke2 => plan.by_template(runtime)?,
        Distribution::K0s => {
            let version = plan.root()?.map_or(2, |root| root.version());
            vec![drop_in(Path::new(K0S_FOLDER).join(DROP_IN), version, runtime)?]
        }
        Distribution::Microk8s => {
            let path = situation.config.with_file_name(MICROK8S_TEMPLATE);
            let document = Document::parse(&path, &plan.text(&path)?.unwrap_or_default())?;
            document.check_enabled()?;
            vec![change(path, document.with_row(runtime)?)]
        }
    };
    plan.real(changes)
}

/// What has to change so that containerd knows nothing of us.
pub fn remove(tree: &dyn Tree, situation: &Situation) -> Result<Vec<Change>, ConfigError> {
    let plan = Plan { tree, situation };
    let changes = match situation.distribution {
        Distribution::Plain => plan.out_of_loaded()?,
        Distribution::K3s | Distribution::Rke2 => plan.not_by_template()?,
        Distribution::K0s => vec![gone(Path::new(K0S_FOLDER).join(DROP_IN))],
        Distribution::Microk8s => {
            let path = situation.config.with_file_name(MICROK8S_TEMPLATE);
            let document = Document::parse(&path, &plan.text(&path)?.unwrap_or_default())?;
            vec![change(path, document.without_row()?)]
        }
    };
    plan.real(changes)
}

struct Plan<'a> {
    tree: &'a dyn Tree,
    situation: &'a Situation,
}

impl Plan<'_> {
    fn text(&self, path: &Path) -> Result<Option<String>, ConfigError> {
        self.tree.read(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })
    }

    fn document(&self, path: &Path) -> Result<Option<Document>, ConfigError> {
        self.text(path)?
            .map(|text| Document::parse(path, &text))
            .transpose()
    }

    fn root(&self) -> Result<Option<Document>, ConfigError> {
        self.document(&self.situation.config)
    }

    /// 2.x merges drop-ins key by key.
    fn drop_in_and_import(&self, runtime: &Runtime) -> Result<Vec<Change>, ConfigError> {
        let config = &self.situation.config;
        let loaded = self.loaded()?;
        for (path, document) in &loaded {
            document.check_enabled()?;
            if !is_ours(path) {
                document.has_row()?;
            }
        }
        let root = self.root()?;
        // A drop-in of a newer version than the file that imports it keeps that file from being migrated (2.0 to 2.2).
        let version = root.as_ref().map_or(NEWEST_FILE, Document::version);
        let version = if version < 2 { NEWEST_FILE } else { version };
        if let Some(folder) = root.as_ref().and_then(|root| loaded::folder(config, root)) {
            return Ok(vec![drop_in(folder.join(DROP_IN), version, runtime)?]);
        }
        let (path, import) = loaded::own_import(config);
        let text = match root {
            Some(root) => root.with_import(&import)?,
            None => format!("{COMMENT}version = {version}\nimports = [\"{import}\"]\n"),
        };
        // The import is of a pattern, which may match nothing: so the order does not matter.
        Ok(vec![
            drop_in(path, version, runtime)?,
            change(config.clone(), text),
        ])
    }

    /// In 1.x the last file that says anything of the plugin says all of it.
    fn in_place(&self, runtime: &Runtime) -> Result<Vec<Change>, ConfigError> {
        let config = &self.situation.config;
        let loaded = self.loaded()?;
        for (_, document) in &loaded {
            document.check_enabled()?;
        }
        let deciding = loaded.iter().rev().find(|(_, document)| document.has_plugin());
        match deciding.or(loaded.first()) {
            Some((path, document)) => Ok(vec![change(
                path.clone(),
                document.with_only_row(runtime, self.situation.version)?,
            )]),
            None => {
                let text = format!("{COMMENT}version = 2\n");
                let document = Document::parse(config, &text)?;
                Ok(vec![change(
                    config.clone(),
                    document.with_only_row(runtime, self.situation.version)?,
                )])
            }
        }
    }

    fn by_template(&self, runtime: &Runtime) -> Result<Vec<Change>, ConfigError> {
        let config = &self.situation.config;
        let root = self.root()?;
        let version = root.as_ref().map_or(2, Document::version);
        if let Some(root) = &root
            && self.situation.version.major >= 2
            && let Some(folder) = loaded::folder(config, root)
        {
            return Ok(vec![drop_in(folder.join(DROP_IN), version, runtime)?]);
        }
        let path = template::path(config, version);
        let text = self.text(&path)?;
        let row = row(version, runtime)?;
        Ok(vec![change(
            path.clone(),
            template::with_row(&path, text.as_deref(), &row)?,
        )])
    }

    fn not_by_template(&self) -> Result<Vec<Change>, ConfigError> {
        let config = &self.situation.config;
        let mut changes = Vec::new();
        if let Some(folder) = self.root()?.and_then(|root| loaded::folder(config, &root)) {
            changes.push(gone(folder.join(DROP_IN)));
        }
        for version in [2, 3] {
            let path = template::path(config, version);
            if let Some(text) = self.text(&path)? {
                changes.push(Change {
                    after: template::without_row(&text),
                    path,
                });
            }
        }
        Ok(changes)
    }

    fn out_of_loaded(&self) -> Result<Vec<Change>, ConfigError> {
        let config = &self.situation.config;
        let (own, import) = loaded::own_import(config);
        let mut changes = vec![gone(own)];
        for (path, document) in self.loaded()? {
            if is_ours(&path) {
                changes.push(gone(path));
                continue;
            }
            // What is somebody else's is left to them.
            let Ok(mut text) = document.without_row() else {
                continue;
            };
            if path == *config {
                text = Document::parse(&path, &text)?.without_import(&import)?;
            }
            let made_by_us =
                text == format!("{COMMENT}version = 2\n") || text == format!("{COMMENT}version = 3\n");
            changes.push(Change {
                path,
                after: (!made_by_us).then_some(text),
            });
        }
        Ok(changes)
    }

    /// Those that differ from what is there, each file once.
    fn real(&self, changes: Vec<Change>) -> Result<Vec<Change>, ConfigError> {
        let mut real: Vec<Change> = Vec::new();
        for change in changes {
            let known = real.iter().any(|earlier| earlier.path == change.path);
            if !known && self.text(&change.path)? != change.after {
                real.push(change);
            }
        }
        Ok(real)
    }
}

fn is_ours(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == DROP_IN)
}

fn change(path: PathBuf, text: String) -> Change {
    Change {
        path,
        after: Some(text),
    }
}

fn gone(path: PathBuf) -> Change {
    Change { path, after: None }
}

/// A whole file with our row.
fn drop_in(path: PathBuf, version: i64, runtime: &Runtime) -> Result<Change, ConfigError> {
    let text = format!("version = {version}\n");
    let text = Document::parse(&path, &text)?.with_row(runtime)?;
    Ok(change(path, text))
}

/// Our row alone.
fn row(version: i64, runtime: &Runtime) -> Result<String, ConfigError> {
    let head = format!("version = {version}\n");
    let text = Document::parse(Path::new(DROP_IN), &head)?.with_row(runtime)?;
    let row = text.strip_prefix(&head).unwrap_or(&text);
    let row = row.trim_start();
    Ok(row.strip_prefix(COMMENT).unwrap_or(row).to_owned())
}
