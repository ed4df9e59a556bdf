//! Artifacts that are not what they should be, and compilations that are not what they should be: each is one readable error, and
//! nothing half-done stays in the cache. What comes from registries is in `registry`.

use serde_json::json;
use shoal_e2e::Up;
use shoal_e2e::binaries::{guest, impatient_compiler};
use shoal_e2e::cache::Cache;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A manifest of a file.
fn manifest(path: &Path) -> String {
    json!({
        "apiVersion": "shoal.dev/v1alpha1", "kind": "WasmService", "metadata": {"name": "hello"},
        "spec": {
            "components": [{"name": "web", "file": path}],
            "triggers": [{"name": "web", "component": "web", "http": {"path": "/"}}],
        },
    })
    .to_string()
}

#[test]
fn files_that_are_no_component_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let good = std::fs::read(guest("http_hello")).unwrap();
    let mut flipped = good.clone();
    // In the code, which no checksum covers: the compiler has to see it.
    let half = good.len() / 2;
    flipped[half - 4096..half]
        .iter_mut()
        .for_each(|byte| *byte ^= 0xff);
    let cases: [(&str, Vec<u8>, &str); 7] = [
        (
            "text.wasm",
            b"I am no WebAssembly at all\n".to_vec(),
            "is not WebAssembly",
        ),
        ("empty.wasm", Vec::new(), "is not WebAssembly"),
        (
            "elf.wasm",
            b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec(),
            "is not WebAssembly",
        ),
        ("truncated.wasm", good[..good.len() - 100].to_vec(), "cut off"),
        ("head.wasm", good[..8].to_vec(), "exports"),
        ("version.wasm", b"\0asm\x63\0\x01\0".to_vec(), ""),
        ("flipped.wasm", flipped, ""),
    ];
    for (name, bytes, says) in cases {
        let cache = Cache::new();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let manifest = manifest(&path);
        let ended = Up::new().manifest(&manifest).cache(&cache.path()).fails();
        assert_eq!(ended.code, Some(1), "{name}: {ended:?}");
        assert!(
            ended.stderr.contains(says) && ended.stderr.contains("component web"),
            "{name}: {}",
            ended.stderr
        );
        assert!(
            ended.stderr.len() < 2000 && !ended.stderr.contains("panicked"),
            "{name}: not readable: {}",
            ended.stderr
        );
        let left = cache.files();
        let unfinished = left.iter().any(|path| !path.starts_with("blobs"));
        // Eight bytes are a component, if one that does nothing.
        assert!(
            !unfinished || name == "head.wasm",
            "{name}: something half-done stayed: {left:?}"
        );
        let inspected = cache.run(&["inspect", path.to_str().unwrap()]);
        assert!(
            inspected.code == Some(1) || name == "head.wasm",
            "{name}: {inspected:?}"
        );
        if !says.is_empty() && name != "head.wasm" {
            let registry = "127.0.0.1:1/nowhere:1";
            cache
                .run(&[
                    "push",
                    "--plain-http",
                    "127.0.0.1:1",
                    path.to_str().unwrap(),
                    registry,
                ])
                .failed(1, &[says]);
        }
    }
}

#[tokio::test]
async fn a_compiled_file_is_never_taken_from_outside() {
    let cache = Cache::new();
    let hello = shoal_e2e::manifest::single("hello", "http_hello", json!({}));
    drop(Up::new().manifest(&hello).cache(&cache.path()).start().await);
    let compiled = cache
        .files()
        .into_iter()
        .find(|path| path.extension().is_some_and(|it| it == "cwasm"));
    // Native code in a layer or file would be a way out of every wall.
    let path = cache.folder().join("native.wasm");
    std::fs::copy(cache.path().join(compiled.expect("a compiled file")), &path).unwrap();
    let manifest = manifest(&path);
    Up::new()
        .manifest(&manifest)
        .cache(&cache.path())
        .fails()
        .failed(1, &["is not WebAssembly"]);
}

#[test]
fn a_component_that_would_be_compiled_for_ever_is_refused_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new();
    let bomb = shoal_e2e::manifest::single("bomb", "hostile_compile_bomb", json!({}));
    let up = Up::new()
        .manifest(&bomb)
        .cache(&cache.path())
        .env("SHOAL_COMPILE", impatient_compiler(folder.path()));
    let ended = up.fails();
    ended.failed(1, &["component web", "compiling it takes more than"]);
    let left = cache.files();
    assert!(
        left.iter().all(|path| path.starts_with("blobs")),
        "something half-done stayed: {left:?}"
    );
}

#[test]
fn without_its_compiler_shoal_says_what_is_missing() {
    let hello = shoal_e2e::manifest::single("hello", "http_hello", json!({}));
    Up::new()
        .manifest(&hello)
        .env("SHOAL_COMPILE", "/nowhere/shoal-compile")
        .fails()
        .failed(1, &["/nowhere/shoal-compile", "is missing"]);
}

#[test]
fn a_cache_that_others_may_write_is_not_used() {
    let cache = Cache::new();
    std::fs::create_dir(cache.path()).unwrap();
    std::fs::set_permissions(cache.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let hello = shoal_e2e::manifest::single("hello", "http_hello", json!({}));
    Up::new()
        .manifest(&hello)
        .cache(&cache.path())
        .fails()
        .failed(1, &["must not be used as cache"]);
}
