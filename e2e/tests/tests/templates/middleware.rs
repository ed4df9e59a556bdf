//! A middleware of wasi:http in JavaScript, and the handler in Python that it is linked to: both use files, and the request goes from one to
//! the other as a handle.

use super::cache;
use shoal_e2e::process::run_with;
use shoal_e2e::{Up, binaries, get};
use std::path::Path;

/// WASI's own packages as they come with componentize-js.
const WIT: &str = "tools/javascript/node_modules/@bytecodealliance/jco/lib/wit/builtin/0.2.12";

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in from
        .read_dir()
        .unwrap_or_else(|error| panic!("{}: {error}", from.display()))
    {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).unwrap()),
        }
    }
}

#[tokio::test]
async fn a_middleware_in_javascript_hands_requests_on_to_python() {
    let folder = tempfile::tempdir().unwrap();
    let (project, cache) = (folder.path(), cache());
    copy(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/templates/middleware"),
        project,
    );
    for part in ["web", "handler"] {
        copy(&cache.join(WIT), &project.join(part).join("wit/deps"));
    }
    let packages = cache.join("tools/javascript/node_modules");
    std::os::unix::fs::symlink(packages, project.join("web/node_modules")).unwrap();
    let manifest = project.join("shoal.yaml");
    let python = cache.join("tools/python").display().to_string();
    let build = ["build", manifest.to_str().unwrap()];
    run_with(&build, b"", &[("VIRTUAL_ENV", &python)], &binaries::cache()).succeeded();

    let shoal = Up::new().file(&manifest, 1).start().await;
    let answer = get(shoal.address(), "/fish?kind=cod").await;
    answer.is(200, "of the handler at /fish?kind=cod\n");
}
