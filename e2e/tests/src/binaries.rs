//! Where the programs and components lie that the tests run. One that is missing fails the test: it is never skipped.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// `target/debug`, from this test's own `target/debug/deps/all-…`.
fn folder() -> PathBuf {
    let this = std::env::current_exe().expect("this test's own path");
    this.ancestors().nth(2).expect("a folder above `deps`").to_owned()
}

/// The `shoal` beside this test.
pub fn shoal() -> PathBuf {
    program("shoal")
}

/// The `shoal-compile` beside this test.
pub fn shoal_compile() -> PathBuf {
    program("shoal-compile")
}

/// A `shoal-compile` that may use a few seconds of a processor where the real one may use minutes, made in `folder`.
pub fn impatient_compiler(folder: &Path) -> PathBuf {
    let path = folder.join("impatient-compile");
    std::fs::write(
        &path,
        format!(
            "#!/bin/sh\nexec '{}' \"$1\" \"$2\" 3\n",
            shoal_compile().display()
        ),
    )
    .unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn program(name: &str) -> PathBuf {
    let path = folder().join(name);
    assert!(
        path.is_file(),
        "{} is missing: run `make build guests` first",
        path.display()
    );
    path
}

/// A cache that all tests and all runs share, so that each component is compiled once.
pub fn cache() -> PathBuf {
    folder().join("e2e-cache")
}

/// A component of `e2e/guests`, by its name.
pub fn guest(name: &str) -> PathBuf {
    let path = guests().join(format!("{name}.wasm"));
    assert!(
        path.is_file(),
        "{} is missing: run `make build guests` first",
        path.display()
    );
    path
}

/// The names of all guests that begin with `prefix`, from their sources and from what was built.
pub fn guests_named(prefix: &str) -> Vec<String> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests");
    let suites = [
        "hostile/examples",
        "hostile3/examples",
        "http/examples",
        "http3/examples",
        "wat",
    ];
    let mut names: Vec<String> = suites
        .iter()
        .flat_map(|suite| stems(&sources.join(suite)))
        .collect();
    names.extend(stems(&guests()));
    names.retain(|name| name.starts_with(prefix));
    names.sort();
    names.dedup();
    assert!(!names.is_empty(), "no guest begins with {prefix}");
    names
}

fn stems(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}: run `make build guests` first", folder.display()));
    let paths = entries.map(|entry| entry.expect("an entry of the folder").path());
    let built = |path: &PathBuf| {
        path.extension()
            .is_some_and(|it| ["rs", "wat", "wasm"].iter().any(|known| it == *known))
    };
    paths
        .filter(built)
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect()
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
