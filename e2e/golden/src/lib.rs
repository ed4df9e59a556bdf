//! Golden files: what each released version wrote, checked in under `tests/golden/vN/` of the crate that owns the format. For tests
//! alone; what is in the files belongs to that crate.
//!
//! A format has three promises, and a method for each: [`Golden::current`] (a type does not change without a new file),
//! [`Golden::read_all`] (this version reads what every released version wrote) and [`Golden::readable_before`] (the version before reads
//! what this one writes).

#![allow(clippy::panic, reason = "what a test calls, to fail it")]

mod shape;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Set to `write`, files of the current version are written instead of compared.
const WRITE: &str = "SHOAL_GOLDEN";

/// The golden files of one crate.
#[derive(Debug)]
pub struct Golden {
    folder: PathBuf,
    current: u32,
}

impl Golden {
    /// The files below `folder`, a crate's `CARGO_MANIFEST_DIR`. `current` is the version that the crate writes now.
    pub fn new(folder: impl AsRef<Path>, current: u32) -> Self {
        let folder = folder.as_ref().join("tests/golden");
        Self { folder, current }
    }

    /// Checks that `T` reads the current version's file `name` and writes it again as it was: nothing was removed, renamed or added.
    ///
    /// # Panics
    ///
    /// Where it does not.
    pub fn current<T: Serialize + DeserializeOwned>(&self, name: &str) {
        let path = self.path(self.current, name);
        let written = read(&path);
        let value: T = parse(&path, &written);
        let again = serde_json::to_value(&value).unwrap_or_else(|error| panic!("{name}: {error}"));
        self.compare(name, &written, &again);
    }

    /// Checks that the types behind a JSON schema are those of the current version: fields that a file leaves out count, too.
    ///
    /// # Panics
    ///
    /// Where they are not.
    pub fn shape(&self, name: &str, schema: &Value) {
        let shape = shape::of(schema);
        let path = self.path(self.current, name);
        let written = if path.exists() { read(&path) } else { Value::Null };
        self.compare(name, &written, &shape);
    }

    /// What every version's file `name` holds, the oldest first. A version that had no such file is left out.
    ///
    /// # Panics
    ///
    /// Where one can't be read, or there is none at all.
    pub fn read_all<T: DeserializeOwned>(&self, name: &str) -> Vec<T> {
        let paths = (1..=self.current).map(|version| self.path(version, name));
        let paths: Vec<_> = paths.filter(|path| path.exists()).collect();
        assert!(!paths.is_empty(), "no version has a file {name}");
        let values = paths.iter().map(|path| parse(path, &read(path)));
        values.collect()
    }

    /// Checks that the version before finds in the current version's file `name` all that it wrote itself, and where it wrote it: then
    /// it can read the file, as it ignores what it does not know.
    ///
    /// # Panics
    ///
    /// Where it does not.
    pub fn readable_before(&self, name: &str) {
        let before = self.path(self.current.saturating_sub(1), name);
        if before.exists() {
            let missing = missing(&read(&before), &read(&self.path(self.current, name)));
            assert_eq!(missing, None, "{name} is not what the version before reads");
        }
    }

    fn compare(&self, name: &str, written: &Value, now: &Value) {
        if written == now {
            return;
        }
        let path = self.path(self.current, name);
        if std::env::var(WRITE).is_ok_and(|value| value == "write") {
            let text = serde_json::to_string_pretty(now).unwrap_or_default() + "\n";
            return fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        let at = missing(written, now).or_else(|| missing(now, written));
        panic!(
            "{} no longer says what the types are: first at {}. If version {} was released, raise the version and give it files of its \
             own; if not, write this one anew with {WRITE}=write. A field that is added needs a default.",
            path.display(),
            at.unwrap_or_default(),
            self.current,
        );
    }

    fn path(&self, version: u32, name: &str) -> PathBuf {
        self.folder.join(format!("v{version}")).join(name)
    }
}

fn read(path: &Path) -> Value {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    parse(
        path,
        &serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
    )
}

fn parse<T: DeserializeOwned>(path: &Path, value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The first place of `wanted` that `found` has not, or has otherwise; `found` may have more fields.
fn missing(wanted: &Value, found: &Value) -> Option<String> {
    let below = |key: &str, wanted: &Value, found: Option<&Value>| match found {
        Some(found) => missing(wanted, found).map(|rest| format!("/{key}{rest}")),
        None => Some(format!("/{key}")),
    };
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => wanted
            .iter()
            .find_map(|(key, value)| below(key, value, found.get(key))),
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => wanted
            .iter()
            .enumerate()
            .find_map(|(index, value)| below(&index.to_string(), value, found.get(index))),
        _ => (wanted != found).then(String::new),
    }
}

#[cfg(test)]
mod tests;
