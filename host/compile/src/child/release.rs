//! Components of a pre-release that is the release but for its name.

use super::module::is_component;
use std::borrow::Cow;
use std::cell::Cell;

/// Pre-releases of WASI 0.3 whose types and meaning are those of 0.3.0, interface by interface (compare the tags of
/// <https://github.com/WebAssembly/WASI>). The earlier ones differ: rc-2026-02-09 in `wasi:http/types` and `wasi:filesystem/types`.
const FINAL: &[&str] = &["0.3.0-rc-2026-03-15"];

/// The component with its imports and exports of such a pre-release named after the release, which is what they are.
pub(super) fn released(component: &[u8]) -> Cow<'_, [u8]> {
    let found = Cell::new(false);
    let release = |name: &str| {
        let (interface, version) = name.split_once('@')?;
        // A part's import has its place before it: `p1-wasi:cli/stdout@...`.
        let wasi = interface.starts_with("wasi:") || interface.contains("-wasi:");
        let known = wasi && FINAL.contains(&version);
        found.set(found.get() | known);
        known.then(|| format!("{interface}@0.3.0"))
    };
    if !matches!(is_component(component), Ok(true)) {
        return Cow::Borrowed(component);
    }
    // What is wrong with bytes that can't be read, the validator says better.
    match shoal_compose::rename_both(component, &release) {
        Ok(renamed) if found.get() => Cow::Owned(renamed),
        _ => Cow::Borrowed(component),
    }
}
