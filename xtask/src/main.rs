//! `cargo run -p xtask -- <task>`: what the Makefile needs a program for. Tasks that only chain commands live in `scripts/`.

mod arrows;
mod chart;
#[allow(
    unreachable_pub,
    reason = "crds is written along with api, whose items are `pub`"
)]
mod crds;
mod files;
mod manifest_docs;
mod sbom;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "xtask", about = "Developer tasks of the Shoal repository")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Fail where a crate depends on what DESIGN's arrows do not allow.
    Arrows {
        /// The workspace to check.
        #[arg(long, default_value = "Cargo.toml")]
        manifest_path: PathBuf,
    },
    /// Write what of charts/shoal is made from elsewhere, and docs/chart.md.
    Chart {
        /// Write nothing; fail where a file differs.
        #[arg(long)]
        check: bool,
    },
    /// Fail on files that are too long or too large, or that do not say what lives in them.
    CheckFiles {
        /// The git repository to check.
        #[arg(long, default_value = ".")]
        root: PathBuf,
    },
    /// Write crds/ from the types in api.
    Crds {
        /// Write nothing; fail where a file differs.
        #[arg(long)]
        check: bool,
    },
    /// Write which crates an image's programs are made of, as CycloneDX.
    Sbom(sbom::Options),
    /// Write docs/manifest.md from the schema.
    ManifestDocs {
        /// Write nothing; fail where it differs.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().task {
        Task::Arrows { manifest_path } => arrows::run(&manifest_path),
        Task::Chart { check } => chart::run(check),
        Task::CheckFiles { root } => files::run(&root),
        Task::Crds { check: false } => crds::generate(),
        Task::Crds { check: true } => crds::check(),
        Task::Sbom(options) => sbom::run(&options),
        Task::ManifestDocs { check } => manifest_docs::run(check),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
