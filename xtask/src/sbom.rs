//! `xtask sbom`: which crates an image's programs are made of, as CycloneDX. The same bytes for the same Cargo.lock: no time, no random
//! number. It may name a crate too many, where another member of the workspace turned on a feature; none is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context, bail};
use cargo_metadata::{
    CargoOpt, DependencyKind, Metadata as Workspace, MetadataCommand, Package, PackageId, Resolve, TargetKind,
};
use clap::Args;
use cyclonedx_bom::external_models::uri::Purl;
use cyclonedx_bom::models::bom::SpecVersion;
use cyclonedx_bom::models::component::{Classification, Component, Components};
use cyclonedx_bom::models::dependency::{Dependencies, Dependency};
use cyclonedx_bom::models::license::{LicenseChoice, Licenses};
use cyclonedx_bom::models::metadata::Metadata;
use cyclonedx_bom::prelude::{Bom, Validate};

/// Which programs, for what.
#[derive(Args)]
pub(crate) struct Options {
    /// The image's name.
    #[arg(long)]
    image: String,
    /// The packages of the programs in it.
    #[arg(long = "package", required = true)]
    packages: Vec<String>,
    /// Features that they are built with (`shoal-compile/cranelift`).
    #[arg(long)]
    features: Vec<String>,
    /// What they are compiled for.
    #[arg(long)]
    target: String,
    /// The workspace that they are members of.
    #[arg(long, default_value = "Cargo.toml")]
    manifest_path: PathBuf,
    /// The file to write.
    #[arg(long)]
    out: PathBuf,
}

/// Writes the file.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let workspace = read(options)?;
    let tree = Tree::of(&workspace, &options.packages)?;
    let bom = bom(&options.image, &tree);
    let checked = bom.validate();
    if !checked.passed() {
        bail!("what was made is no CycloneDX: {checked:?}");
    }
    let mut json = Vec::new();
    bom.output_as_json(&mut json, SpecVersion::V1_5)?;
    std::fs::write(&options.out, json).with_context(|| format!("{} can't be written", options.out.display()))
}

fn read(options: &Options) -> anyhow::Result<Workspace> {
    let mut command = MetadataCommand::new();
    command.manifest_path(&options.manifest_path);
    command.features(CargoOpt::SomeFeatures(options.features.clone()));
    command.other_options(["--locked", "--filter-platform", &options.target].map(str::to_owned));
    command
        .exec()
        .with_context(|| format!("cargo metadata of {}", options.manifest_path.display()))
}

/// The crates that end up in programs, and what each asks for.
struct Tree<'a> {
    roots: BTreeSet<&'a PackageId>,
    crates: BTreeMap<&'a PackageId, (&'a Package, Vec<&'a PackageId>)>,
}

impl<'a> Tree<'a> {
    fn of(workspace: &'a Workspace, roots: &[String]) -> anyhow::Result<Self> {
        let resolve: &Resolve = workspace.resolve.as_ref().context("cargo resolved nothing")?;
        let packages: BTreeMap<_, _> = workspace.packages.iter().map(|each| (&each.id, each)).collect();
        let mut tree = Self {
            roots: BTreeSet::new(),
            crates: BTreeMap::new(),
        };
        for name in roots {
            let member = workspace
                .workspace_packages()
                .into_iter()
                .find(|package| package.name == name);
            tree.roots.insert(
                &member
                    .with_context(|| format!("the workspace has no package {name}"))?
                    .id,
            );
        }
        let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
        let mut next: Vec<&PackageId> = tree.roots.iter().copied().collect();
        while let Some(id) = next.pop() {
            let (Some(node), Some(package)) = (nodes.get(id), packages.get(id)) else {
                bail!("cargo's answer does not say what {id} is");
            };
            if tree.crates.contains_key(id) {
                continue;
            }
            let needs = node.deps.iter().filter(|dependency| {
                let normal = dependency
                    .dep_kinds
                    .iter()
                    .any(|kind| kind.kind == DependencyKind::Normal);
                normal
                    && packages
                        .get(&dependency.pkg)
                        .is_some_and(|package| !is_macro(package))
            });
            let needs: Vec<_> = needs.map(|dependency| &dependency.pkg).collect();
            next.extend(&needs);
            tree.crates.insert(id, (package, needs));
        }
        Ok(tree)
    }
}

/// It runs in the compiler and is in no program.
fn is_macro(package: &Package) -> bool {
    package
        .targets
        .iter()
        .any(|target| target.kind.contains(&TargetKind::ProcMacro))
}

fn bom(image: &str, tree: &Tree<'_>) -> Bom {
    let mut whole = Component::new(
        Classification::Container,
        image,
        env!("CARGO_PKG_VERSION"),
        Some(image.to_owned()),
    );
    whole.licenses = Some(license("Apache-2.0"));
    let mut dependencies = vec![Dependency {
        dependency_ref: image.to_owned(),
        dependencies: sorted(tree.roots.iter().filter_map(|id| tree.crates.get(id)).map(name)),
    }];
    let mut components = Vec::new();
    for each in tree.crates.values() {
        components.push(component(each.0, tree.roots.contains(&each.0.id)));
        dependencies.push(Dependency {
            dependency_ref: name(each),
            dependencies: sorted(each.1.iter().filter_map(|id| tree.crates.get(id)).map(name)),
        });
    }
    // Ids of packages hold the path of the checkout.
    components.sort_by(|one, other| one.bom_ref.cmp(&other.bom_ref));
    dependencies.sort_by(|one, other| one.dependency_ref.cmp(&other.dependency_ref));
    Bom {
        serial_number: None,
        metadata: Some(Metadata {
            component: Some(whole),
            ..Metadata::default()
        }),
        components: Some(Components(components)),
        dependencies: Some(Dependencies(dependencies)),
        ..Bom::default()
    }
}

fn component(package: &Package, is_program: bool) -> Component {
    let version = package.version.to_string();
    let kind = match is_program {
        true => Classification::Application,
        false => Classification::Library,
    };
    let purl = Purl::new("cargo", &package.name, &version).ok();
    let mut component = Component::new(
        kind,
        &package.name,
        &version,
        Some(format!("{}@{version}", package.name)),
    );
    component.purl = purl;
    component.licenses = package.license.as_deref().map(license);
    component
}

fn license(expression: &str) -> Licenses {
    // Old manifests have a slash where SPDX has OR.
    Licenses(vec![LicenseChoice::expression(&expression.replace('/', " OR "))])
}

fn name((package, _): &(&Package, Vec<&PackageId>)) -> String {
    format!("{}@{}", package.name, package.version)
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    names.collect::<BTreeSet<_>>().into_iter().collect()
}
