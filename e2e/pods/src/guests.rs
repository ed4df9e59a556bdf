//! Components, and what is none, as images of the cluster's registry.

use crate::cluster;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The reference of a component of `e2e/guests`, pushed when it is first asked for.
pub fn image(guest: &str) -> String {
    static PUSHED: OnceLock<Mutex<HashMap<String, String>>> = OnceLock::new();
    let pushed = PUSHED.get_or_init(Mutex::default);
    let mut pushed = pushed.lock().unwrap_or_else(PoisonError::into_inner);
    let entry = pushed.entry(guest.to_owned());
    entry.or_insert_with(|| push(&file(guest), guest)).clone()
}

/// Pushes a file, whatever is in it.
pub fn push(file: &Path, name: &str) -> String {
    let name = format!("e2e/{}:1", name.replace('_', "-"));
    cluster()
        .push_component(file, &name)
        .unwrap_or_else(|error| panic!("{error:#}"))
}

/// The file of a component of `e2e/guests`.
pub fn file(guest: &str) -> PathBuf {
    let folder = std::env::var_os("SHOAL_GUESTS").expect("SHOAL_GUESTS names the folder with the components");
    let path = PathBuf::from(folder).join(format!("{guest}.wasm"));
    assert!(path.is_file(), "{} is missing: run `make guests`", path.display());
    path
}
