//! Python, by componentize-py: the project's own, an active environment's, or one in the PATH.

use super::project::Project;
use super::tools::{Run, Tools, is_program, missing};
use crate::failure::Failure;
use std::path::PathBuf;

const PROGRAM: &str = "componentize-py";

pub(super) async fn build(project: &Project, tools: &Tools) -> Result<(), Failure> {
    let folder = project.folder.as_path();
    let active = std::env::var_os("VIRTUAL_ENV").map(PathBuf::from);
    let environments = [Some(folder.join(".venv")), active];
    let own = environments
        .into_iter()
        .flatten()
        .map(|it| it.join("bin").join(PROGRAM));
    let Some(program) = own
        .into_iter()
        .find(|it| is_program(it))
        .or_else(|| tools.find(PROGRAM))
    else {
        let install = format!(
            "cd {} && python3 -m venv .venv && .venv/bin/pip install -r requirements.txt",
            folder.display()
        );
        return Err(missing(PROGRAM, &install));
    };
    Run::new(program, folder)
        .arg("--quiet")
        .arg("--wit-path")
        .arg(project.wit()?)
        .args(["componentize", "app", "--output"])
        .arg(project.new_file())
        .run()
        .await
}
