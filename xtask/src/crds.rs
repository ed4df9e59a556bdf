//! Writes `crds/` from the types in `api/`, and says whether what is checked in is still that.

use std::path::PathBuf;

use anyhow::{Context, bail};

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../crds/wasmservices.shoal.dev.yaml")
}

/// Writes the definitions.
pub fn generate() -> anyhow::Result<()> {
    let file = file();
    let yaml = shoal_api::crd::yaml()?;
    std::fs::write(&file, yaml).with_context(|| format!("could not write {}", file.display()))
}

/// Fails if what is checked in is not what the types say.
pub fn check() -> anyhow::Result<()> {
    let file = file();
    let found =
        std::fs::read_to_string(&file).with_context(|| format!("could not read {}", file.display()))?;
    let expected = shoal_api::crd::yaml()?;
    if found != expected {
        let line = found
            .lines()
            .zip(expected.lines())
            .take_while(|(found, expected)| found == expected)
            .count()
            + 1;
        bail!(
            "crds/wasmservices.shoal.dev.yaml is not what api/ says, from line {line} on; run `cargo run -p xtask -- crds`"
        );
    }
    Ok(())
}
