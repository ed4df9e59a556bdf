//! `shoal build`: the components of a manifest that are files, each by the tools of its language. Which project makes which file is
//! in `project`, what each language takes in a file of its name.

mod c;
mod go;
mod javascript;
mod project;
mod python;
mod rust;
mod tools;

pub(crate) use project::Kind;

use crate::Outcome;
use crate::console::Console;
use crate::failure::Failure;
use crate::manifests;
use clap::Args;
use project::Project;
use serde::Serialize;
use std::path::PathBuf;
use tools::Tools;

/// Build the components that a manifest takes from files
///
/// The project of a file is in its folder, or in one above it: Rust (Cargo.toml), Go (go.mod), JavaScript (package.json), Python
/// (app.py) or C (*.c). Its language's own tools build it; where one is missing, what to install is said, and nothing is installed.
/// Files without a project are taken as they are.
#[derive(Args, Debug)]
pub(crate) struct Build {
    /// Manifests; a folder stands for all .yaml files in it
    #[arg(value_name = "MANIFEST", default_value = "shoal.yaml")]
    manifests: Vec<PathBuf>,
}

/// What was built.
#[derive(Debug, Serialize)]
struct Built {
    service: String,
    component: String,
    kind: Kind,
    file: PathBuf,
    size: u64,
}

pub(crate) async fn build(options: Build, console: &Console) -> Outcome {
    let files = manifests::expand(&options.manifests).map_err(|problem| Failure::Manifest(vec![problem]))?;
    let texts: Vec<_> = files.iter().map(|path| manifests::read(path)).collect();
    let found = manifests::parse(&texts).map_err(Failure::Manifest)?;
    let tools = Tools::from_env();
    let mut built: Vec<Built> = Vec::new();
    for entry in &found.services {
        for component in &entry.service.spec.components {
            let Some(file) = &component.file else { continue };
            let output = entry.base.join(file);
            if built.iter().any(|it| it.file == output) {
                continue;
            }
            let named = |failure: Failure| {
                Failure::Other(format!(
                    "{}/{}: {}",
                    entry.name(),
                    component.name,
                    failure.message()
                ))
            };
            let Some(project) = Project::find(&entry.base, &output).map_err(named)? else {
                continue;
            };
            let size = make(&project, &tools).await.map_err(named)?;
            built.push(Built {
                service: entry.name().to_owned(),
                component: component.name.clone(),
                kind: project.kind,
                file: output,
                size,
            });
        }
    }
    console.result(&serde_json::json!({ "components": &built }), || text(&built))
}

/// Builds one project, and puts its component into place when it is whole: a `shoal up --watch` never sees half of it.
async fn make(project: &Project, tools: &Tools) -> Result<u64, Failure> {
    let made = match project.kind {
        Kind::Rust => rust::build(project, tools).await,
        Kind::JavaScript => javascript::build(project, tools).await,
        Kind::Python => python::build(project, tools).await,
        Kind::C => c::build(project, tools).await,
        Kind::Go => go::build(project, tools).await,
    };
    let (new, output) = (project.new_file(), &project.output);
    let placed = made.and_then(|()| {
        std::fs::rename(&new, output)
            .map_err(|error| Failure::Other(format!("{}: {error}", output.display())))
    });
    if placed.is_err() {
        // A part of a component is of no use to anybody.
        let _ = std::fs::remove_file(&new);
    }
    placed?;
    Ok(std::fs::metadata(output).map_or(0, |it| it.len()))
}

fn text(built: &[Built]) -> String {
    if built.is_empty() {
        return "nothing to build: no component is a file with a project beside it\n".to_owned();
    }
    let line = |it: &Built| {
        let size = it.size.div_ceil(1024);
        format!(
            "{}/{}  {}  {size} KiB\n",
            it.service,
            it.component,
            it.file.display()
        )
    };
    built.iter().map(line).collect()
}
