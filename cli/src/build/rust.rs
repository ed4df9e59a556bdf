//! Rust, by cargo for `wasm32-wasip2`, which makes components itself.

use super::project::Project;
use super::tools::{Run, Tools, missing};
use crate::failure::Failure;
use serde_json::Value;
use std::path::{Path, PathBuf};

const TARGET: &str = "wasm32-wasip2";

pub(super) async fn build(project: &Project, tools: &Tools) -> Result<(), Failure> {
    let rustup = "rustup, as https://rustup.rs says";
    let (cargo, rustc) = (tools.need("cargo", rustup)?, tools.need("rustc", rustup)?);
    let folder = project.folder.as_path();
    let sysroot = Run::new(rustc, folder)
        .args(["--print", "sysroot"])
        .output()
        .await?;
    if !Path::new(sysroot.trim())
        .join("lib/rustlib")
        .join(TARGET)
        .is_dir()
    {
        return Err(missing(
            &format!("Rust's target {TARGET}"),
            &format!("rustup target add {TARGET}"),
        ));
    }
    let messages = Run::new(cargo, folder)
        .args(["build", "--release", "--target", TARGET])
        .arg("--message-format=json-render-diagnostics")
        .output()
        .await?;
    let stem = project.output.file_stem().unwrap_or_default().to_string_lossy();
    let made = artifact(&messages, &stem).map_err(Failure::Other)?;
    let copied = std::fs::copy(&made, project.new_file());
    copied
        .map(drop)
        .map_err(|error| Failure::Other(format!("{}: {error}", made.display())))
}

/// The file that is meant among those that cargo made: the one of that name, or the only one.
fn artifact(messages: &str, stem: &str) -> Result<PathBuf, String> {
    let files = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default())
        .filter_map(|file| file.as_str().map(PathBuf::from))
        .filter(|file| file.extension().is_some_and(|it| it == "wasm"));
    let files: Vec<_> = files.collect();
    let name = |file: &Path| {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        stem.replace('_', "-")
    };
    let wanted = stem.replace('_', "-");
    match (files.iter().find(|it| name(it) == wanted), files.as_slice()) {
        (Some(file), _) => Ok(file.clone()),
        (None, [only]) => Ok(only.clone()),
        (None, []) => Err(
            "cargo made no component: the crate needs `crate-type = [\"cdylib\"]`, or a main function"
                .to_owned(),
        ),
        (None, several) => Err(format!(
            "none of what cargo made is called {wanted}: there is {}",
            several.iter().map(|it| name(it)).collect::<Vec<_>>().join(", ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(files: &[&str]) -> String {
        serde_json::json!({"reason": "compiler-artifact", "filenames": files}).to_string()
    }

    #[test]
    fn the_component_is_found_by_its_name_or_by_being_the_only_one() {
        let one = format!(
            "{}\nnoise\n{}\n",
            message(&["/t/libserde.rlib"]),
            message(&["/t/my_web.wasm"])
        );
        assert_eq!(artifact(&one, "my-web"), Ok("/t/my_web.wasm".into()));
        assert_eq!(artifact(&one, "other"), Ok("/t/my_web.wasm".into()));
        let two = format!("{one}{}\n", message(&["/t/cart.wasm"]));
        assert_eq!(artifact(&two, "cart"), Ok("/t/cart.wasm".into()));
        assert_eq!(
            artifact(&two, "other"),
            Err("none of what cargo made is called other: there is my-web, cart".to_owned())
        );
        assert!(artifact("", "web").unwrap_err().contains("cdylib"));
    }
}
