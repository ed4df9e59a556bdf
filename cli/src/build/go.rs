//! Go, by its own compiler: a program for WASI preview 1.

use super::project::Project;
use super::tools::{Run, Tools};
use crate::failure::Failure;

pub(super) async fn build(project: &Project, tools: &Tools) -> Result<(), Failure> {
    let go = tools.need("go", "Go 1.21 or later, as https://go.dev/doc/install says")?;
    Run::new(go, &project.folder)
        .args(["build", "-trimpath", "-ldflags=-s -w", "-o"])
        .arg(project.new_file())
        .arg(".")
        .env("GOOS", "wasip1")
        .env("GOARCH", "wasm")
        .run()
        .await
}
