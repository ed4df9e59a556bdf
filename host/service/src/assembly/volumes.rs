//! Folders for a service's volumes. What a component sees of them is decided by its grants.

use crate::ServiceError;
use crate::assembly::values::Objects;
use k8s_openapi::api::core::v1::{KeyToPath, Volume};
use shoal_api::{FilesystemGrant, Problem, ReferenceKind, Secret};
use shoal_capability::{Folder, Mount};
use std::collections::BTreeMap;
use std::path::{Component as Part, Path, PathBuf};
use tempfile::TempDir;

/// The folders of one service. Those that were made for it go when it goes.
#[derive(Default)]
pub(crate) struct Volumes {
    folders: BTreeMap<String, PathBuf>,
    made: Vec<TempDir>,
}

impl Volumes {
    /// Makes a folder for each volume; a relative `hostPath` begins at `base`.
    pub(crate) fn make(
        volumes: &[Volume],
        base: &Path,
        objects: &Objects,
        problems: &mut Vec<Problem>,
    ) -> Result<Self, ServiceError> {
        let mut all = Self::default();
        for (index, volume) in volumes.iter().enumerate() {
            let failed = |source| ServiceError::Volume {
                volume: volume.name.clone(),
                source,
            };
            let folder = match &volume.host_path {
                Some(host) => base.join(&host.path),
                None => {
                    let made = tempfile::Builder::new()
                        .prefix("shoal-volume-")
                        .tempdir()
                        .map_err(failed)?;
                    match files(volume, &format!("spec.volumes[{index}]"), objects) {
                        Ok(files) => write(made.path(), files).map_err(failed)?,
                        Err(problem) => problems.push(problem),
                    }
                    let folder = made.path().to_owned();
                    all.made.push(made);
                    folder
                }
            };
            all.folders.insert(volume.name.clone(), folder);
        }
        Ok(all)
    }

    /// The folder of a volume.
    pub(crate) fn folder(&self, volume: &str) -> Option<&Path> {
        self.folders.get(volume).map(PathBuf::as_path)
    }

    /// What a grant of a volume gives.
    pub(crate) fn mount(&self, grant: &FilesystemGrant) -> Option<Mount> {
        let folder = self.folders.get(&grant.volume)?.clone();
        Some(mount(Folder::Named(folder), grant))
    }
}

/// A folder, as it is granted.
pub(crate) fn mount(source: Folder, grant: &FilesystemGrant) -> Mount {
    Mount {
        source,
        path: grant.mount_path.clone(),
        read_only: grant.read_only,
    }
}

type Files = Vec<(PathBuf, Secret)>;

/// The files that a ConfigMap's or Secret's volume holds: all keys, or those of `items`.
fn files(volume: &Volume, at: &str, objects: &Objects) -> Result<Files, Problem> {
    let (from, name, items, optional, field) = if let Some(it) = &volume.secret {
        let name = it.secret_name.clone().unwrap_or_default();
        (ReferenceKind::Secret, name, &it.items, it.optional, "secret")
    } else if let Some(it) = &volume.config_map {
        (
            ReferenceKind::ConfigMap,
            it.name.clone(),
            &it.items,
            it.optional,
            "configMap",
        )
    } else {
        return Ok(Files::new());
    };
    let problem = |message: String| Problem {
        source: None,
        field: format!("{at}.{field}"),
        message,
        hint: Some("put the object beside the service, or set optional: true".to_owned()),
    };
    let optional = optional.unwrap_or(false);
    let Some(values) = objects.all(from, &name) else {
        return if optional {
            Ok(Files::new())
        } else {
            Err(problem(format!("there is no {field} {name:?}")))
        };
    };
    let Some(items) = items else {
        return Ok(values
            .iter()
            .map(|(key, value)| (key.into(), value.clone()))
            .collect());
    };
    let mut files = Files::new();
    for KeyToPath { key, path, .. } in items {
        let inside = Path::new(path)
            .components()
            .all(|part| matches!(part, Part::Normal(_)));
        match values.get(key) {
            Some(value) if inside && !path.is_empty() => files.push((path.into(), value.clone())),
            Some(_) => return Err(problem(format!("items: {path:?} leads out of the volume"))),
            None if optional => {}
            None => return Err(problem(format!("{field} {name:?} has no key {key:?}"))),
        }
    }
    Ok(files)
}

fn write(folder: &Path, files: Files) -> std::io::Result<()> {
    for (name, value) in files {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, value.expose())?;
    }
    Ok(())
}
