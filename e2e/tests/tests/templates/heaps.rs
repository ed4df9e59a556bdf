//! Core modules of compilers whose allocators take each page that the memory grows by for their own.

use super::cache;
use shoal_e2e::binaries;
use shoal_e2e::process::run_with;
use std::path::{Path, PathBuf};
use std::process::Command;

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/templates/heaps")
        .join(name)
}

/// Compiles `name`, and runs it: its memory holds what it wrote, and its exit code is its own.
fn keeps_its_heap(name: &str, compile: impl FnOnce(&Path, &Path) -> Command) {
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("heap.wasm");
    let mut compiler = compile(&source(name), &module);
    let compiled = compiler
        .output()
        .unwrap_or_else(|error| panic!("{compiler:?}: {error}"));
    assert!(compiled.status.success(), "{compiler:?}: {compiled:?}");
    let ended = run_with(&["run", module.to_str().unwrap()], b"", &[], &binaries::cache());
    assert_eq!(
        (ended.stdout.as_str(), ended.code),
        ("fine\n", Some(7)),
        "{ended:?}"
    );
}

#[test]
fn go() {
    keeps_its_heap("heap.go", |source, module| {
        let mut go = Command::new("go");
        go.env("GOOS", "wasip1").env("GOARCH", "wasm");
        go.args(["build", "-o"]).arg(module).arg(source);
        go
    });
}

#[test]
fn c_with_wasi_libc() {
    keeps_its_heap("heap.c", |source, module| {
        let mut clang = Command::new("clang");
        clang.args(["--target=wasm32-wasi", "--sysroot=/usr", "-O1", "-o"]);
        clang.arg(module).arg(source);
        clang
    });
}

#[test]
fn assembly_script() {
    let packages = cache().join("tools/assemblyscript/node_modules");
    assert!(
        packages.is_dir(),
        "{} is missing: run `scripts/setup.sh templates`",
        packages.display()
    );
    keeps_its_heap("heap.ts", |source, module| {
        // It looks for packages beside the source, by paths below its working directory.
        let folder = module.parent().unwrap();
        std::os::unix::fs::symlink(&packages, folder.join("node_modules")).unwrap();
        std::fs::copy(source, folder.join("heap.ts")).unwrap();
        let mut compiler = Command::new("node");
        compiler
            .current_dir(folder)
            .arg("node_modules/assemblyscript/bin/asc.js");
        compiler.args([
            "heap.ts",
            "--config",
            "node_modules/@assemblyscript/wasi-shim/asconfig.json",
        ]);
        compiler.arg("-o").arg(module);
        compiler
    });
}
