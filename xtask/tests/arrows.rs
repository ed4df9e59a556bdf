//! The command itself, on a workspace with forbidden arrows and on one without.

use std::path::Path;
use std::process::{Command, Output};

fn arrows(workspace: &Path) -> std::io::Result<Output> {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["arrows", "--manifest-path"])
        .arg(workspace.join("Cargo.toml"))
        .output()
}

#[test]
fn a_forbidden_arrow_fails_and_is_named() {
    let output = arrows(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/forbidden")).unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    for part in [
        "forbidden: operator/controller -> shim/daemon",
        "shoal-controller has shoald in its dependencies",
        "operator/controller may use api, operator/plan, host/artifact",
        "forbidden: api -> wasmtime",
        "by way of shoald -> shoal-api -> wasmtime; that is wasmtime's runtime",
        "5 forbidden dependencies",
    ] {
        assert!(told.contains(part), "{part:?} is not in: {told}");
    }
    assert!(
        !told.contains("shim/daemon -> api"),
        "an allowed arrow was refused: {told}"
    );
}

#[test]
fn this_repository_keeps_its_own_arrows() {
    let output = arrows(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_workspace_that_is_not_there_is_an_error() {
    let output = arrows(Path::new("/nowhere")).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cargo metadata of /nowhere/Cargo.toml"));
}
