//! `xtask arrows`: which crate may depend on which. What is allowed is data (`rules`), what is there comes from `cargo metadata`
//! (`metadata`), and the comparison is a function of the two (`check`).

mod check;
mod graph;
mod metadata;
mod rules;
#[cfg(test)]
mod tests;

use std::path::Path;

use anyhow::bail;

/// Checks the workspace at `manifest_path`; the error counts the forbidden edges, which were printed one by one.
pub(crate) fn run(manifest_path: &Path) -> anyhow::Result<()> {
    let graph = metadata::read(manifest_path)?;
    let violations = check::check(&graph, &rules::RULES);
    for violation in &violations {
        eprintln!("{violation}\n");
    }
    if !violations.is_empty() {
        bail!(
            "{} forbidden dependencies; the rules are in xtask/src/arrows/rules.rs, their reasons in ARCHITECTURE.md",
            violations.len()
        );
    }
    let edges: usize = graph.crates.iter().map(|each| each.dependencies.len()).sum();
    println!(
        "arrows: {} crates, {edges} dependencies, all allowed",
        graph.crates.len()
    );
    Ok(())
}
