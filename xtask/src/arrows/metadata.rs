//! From `cargo metadata` to a `Graph`. The only part of the check that runs a program; decides nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use anyhow::Context;
use cargo_metadata::camino::Utf8Path;
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

use super::graph::{Crate, Dependency, Graph, Kind};

/// Reads the workspace that `manifest_path` belongs to, with default features.
pub(crate) fn read(manifest_path: &Path) -> anyhow::Result<Graph> {
    let metadata = MetadataCommand::new()
        .manifest_path(manifest_path)
        .exec()
        .with_context(|| format!("cargo metadata of {}", manifest_path.display()))?;
    Ok(Graph {
        crates: crates(&metadata),
        tree: tree(&metadata),
    })
}

fn crates(metadata: &Metadata) -> Vec<Crate> {
    let folders: BTreeSet<String> = metadata
        .workspace_packages()
        .iter()
        .map(|package| folder(metadata, &package.manifest_path))
        .collect();
    let member = |package: &Package| Crate {
        folder: folder(metadata, &package.manifest_path),
        name: package.name.to_string(),
        dependencies: package
            .dependencies
            .iter()
            .map(|entry| Dependency {
                name: entry.name.clone(),
                folder: entry
                    .path
                    .as_ref()
                    .map(|path| relative(metadata, path))
                    .filter(|folder| folders.contains(folder)),
                kind: match entry.kind {
                    DependencyKind::Development => Kind::Dev,
                    DependencyKind::Build => Kind::Build,
                    _ => Kind::Normal,
                },
                optional: entry.optional,
                features: entry.features.clone(),
                default_features: entry.uses_default_features,
            })
            .collect(),
        features: package.features.clone().into_iter().collect(),
    };
    metadata.workspace_packages().into_iter().map(member).collect()
}

fn folder(metadata: &Metadata, manifest: &Utf8Path) -> String {
    manifest
        .parent()
        .map_or_else(String::new, |parent| relative(metadata, parent))
}

fn relative(metadata: &Metadata, path: &Utf8Path) -> String {
    path.strip_prefix(&metadata.workspace_root)
        .unwrap_or(path)
        .to_string()
}

/// Cargo unites the features of all members here, which is what a build of the workspace does as well: a compiler that one
/// member turns on in `wasmtime` is in every other member that links it.
fn tree(metadata: &Metadata) -> BTreeMap<String, BTreeSet<String>> {
    let names: HashMap<_, _> = metadata
        .packages
        .iter()
        .map(|package| (&package.id, package.name.to_string()))
        .collect();
    let mut tree: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in metadata.resolve.iter().flat_map(|resolve| &resolve.nodes) {
        let Some(from) = names.get(&node.id) else { continue };
        let to = node.deps.iter().filter_map(|dep| names.get(&dep.pkg).cloned());
        tree.entry(from.clone()).or_default().extend(to);
    }
    tree
}
