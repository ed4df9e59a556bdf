//! The components of `e2e/guests`, compiled for a worker: each once in a run of tests.

use shoal_compile::{CompileLimits, Compiler, Description};
use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::{Mutex, OnceCell};

/// A component of `e2e/guests`, compiled.
#[derive(Clone)]
pub(crate) struct Code {
    pub(super) path: PathBuf,
    pub(super) description: Description,
}

/// A guest's code. Each is compiled once.
pub(crate) async fn guest(name: &str) -> Code {
    static CODE: OnceCell<TempDir> = OnceCell::const_new();
    static KNOWN: Mutex<Option<HashMap<String, Arc<OnceCell<Code>>>>> = Mutex::const_new(None);
    let folder = CODE
        .get_or_init(async || tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap())
        .await
        .path();
    let cell = {
        let mut known = KNOWN.lock().await;
        let known = known.get_or_insert_default();
        Arc::clone(known.entry(name.to_owned()).or_default())
    };
    let compile = async || {
        let path = folder.join(format!("{name}.cwasm"));
        let wasm = guests().join(format!("{name}.wasm"));
        assert!(
            wasm.is_file(),
            "{} is missing: run `make build guests` first",
            wasm.display()
        );
        let program = std::env::current_exe().unwrap();
        let program = program.ancestors().nth(2).unwrap().join("shoal-compile");
        let compiler =
            Compiler::new(program, CompileLimits::default()).expect("run `make build guests` first");
        let description = compiler.compile(&wasm, &path).await.unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        Code { path, description }
    };
    cell.get_or_init(compile).await.clone()
}

fn guests() -> PathBuf {
    if let Some(folder) = std::env::var_os("SHOAL_GUESTS") {
        return folder.into();
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    cache
        .expect("SHOAL_GUESTS, XDG_CACHE_HOME or HOME")
        .join("shoal/guests/components")
}
