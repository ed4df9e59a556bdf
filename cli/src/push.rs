//! `shoal push`: a component from a file into a registry.

use crate::Outcome;
use crate::console::Console;
use crate::failure::Failure;
use crate::registry::Registry;
use clap::{Args, ValueEnum};
use serde_json::json;
use shoal_artifact::{Interfaces, PushFormat, PushOptions, Reference};
use shoal_compile::{CompileError, Compiler};
use shoal_description::Description;
use std::path::{Path, PathBuf};

/// Push a component to a registry, and print its digest
///
/// Credentials are docker's: log in with `docker login`, or any tool that writes the same file.
#[derive(Args, Debug)]
pub(crate) struct Push {
    /// The WebAssembly file
    file: PathBuf,
    /// Where to: [registry/]repository[:tag]
    #[arg(value_parser = shoal_artifact::parse_reference)]
    reference: Reference,
    /// In which format
    #[arg(long, value_enum, default_value_t)]
    format: PushAs,
    #[command(flatten)]
    registry: Registry,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum PushAs {
    /// A wasm artifact as the CNCF defines it, which `wkg` and others take too
    #[default]
    Artifact,
    /// An image with an entrypoint, which containerd runs as it is
    Image,
}

pub(crate) async fn push(options: Push, console: &Console) -> Outcome {
    let Push {
        file,
        reference,
        format,
        registry,
    } = options;
    let options = PushOptions {
        format: match format {
            PushAs::Artifact => PushFormat::WasmArtifact,
            PushAs::Image => PushFormat::WasmImage,
        },
        interfaces: describe(&file, console).await?.map(interfaces),
        transport: registry.transport(),
        ..PushOptions::from_env()
    };
    let bar = console.bars.listener(reference.repository());
    let pushed = shoal_artifact::push(&file, &reference, &options, &*bar).await?;
    drop(bar);
    let value = json!({ "digest": pushed.digest.to_string(), "reference": pushed.reference });
    console.result(&value, || format!("{}\n", pushed.digest))
}

/// What the component is. Without a compiler a push still works, and readers of the artifact learn less.
pub(crate) async fn describe(file: &Path, console: &Console) -> Result<Option<Description>, Failure> {
    let compiler = match Compiler::locate() {
        Err(error @ CompileError::Missing(_)) => {
            console.warn(format!(
                "imports and exports are not noted in the artifact: {error}"
            ));
            return Ok(None);
        }
        other => other?,
    };
    // What is no WebAssembly at all is told by the push, in better words.
    Ok(compiler.describe(file).await.ok())
}

/// What goes into the artifact's config.
pub(crate) fn interfaces(description: Description) -> Interfaces {
    Interfaces {
        imports: description.imports.into_iter().map(|it| it.name).collect(),
        exports: description.exports.into_iter().map(|it| it.name).collect(),
    }
}
