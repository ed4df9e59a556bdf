//! `shoal validate`: what `shoal up` and the cluster would say of a manifest, without running it.

use crate::console::Console;
use crate::failure::Failure;
use crate::{Outcome, manifests};
use clap::Args;
use serde::Serialize;
use shoal_api::Problem;
use std::path::PathBuf;

/// Check manifests without running them
///
/// All mistakes are listed, with file, line and column. What is valid but not supported yet by this version is a warning.
#[derive(Args, Debug)]
pub(crate) struct Validate {
    /// Manifests; a folder stands for all .yaml files in it, - for standard input
    #[arg(required = true, value_name = "MANIFEST")]
    manifests: Vec<PathBuf>,
}

/// What was found in one file.
#[derive(Debug, Serialize)]
struct Report {
    file: String,
    valid: bool,
    services: Vec<String>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

pub(crate) fn validate(options: &Validate, console: &Console) -> Outcome {
    let files = manifests::expand(&options.manifests).map_err(|problem| Failure::Manifest(vec![problem]))?;
    let texts: Vec<_> = files.iter().map(|path| manifests::read(path)).collect();
    let mut reports: Vec<Report> = texts.iter().map(report).collect();
    // What is wrong with them only when taken together: names that occur twice.
    if reports.iter().all(|it| it.valid)
        && let Err(problems) = manifests::parse(&texts)
    {
        for problem in problems {
            let of = |report: &&mut Report| problem.source.as_deref().is_some_and(|it| it == report.file);
            if let Some(report) = reports.iter_mut().find(of) {
                report.valid = false;
                report.problems.push(problem);
            }
        }
    }
    let valid = reports.iter().all(|it| it.valid);
    console.result(
        &serde_json::json!({ "valid": valid, "manifests": &reports }),
        || text(&reports),
    )?;
    Ok(if valid { 0 } else { 2 })
}

fn report(text: &manifests::Text) -> Report {
    let file = text.name.clone();
    match manifests::parse(std::slice::from_ref(text)) {
        Ok(found) => {
            let entries = || found.services.iter();
            let problems: Vec<_> = entries().flat_map(|entry| entry.mistakes()).collect();
            Report {
                file,
                valid: problems.is_empty(),
                services: entries().map(|it| it.name().to_owned()).collect(),
                problems,
                warnings: entries().flat_map(|entry| entry.unsupported()).collect(),
            }
        }
        Err(problems) => Report {
            file,
            valid: false,
            services: Vec::new(),
            problems,
            warnings: Vec::new(),
        },
    }
}

fn text(reports: &[Report]) -> String {
    let mut out = String::new();
    for report in reports {
        for problem in &report.problems {
            out.push_str(&format!("{}\n", crate::text::block(&problem.to_string())));
        }
        for warning in &report.warnings {
            out.push_str(&format!(
                "warning: {}\n",
                crate::text::block(&warning.to_string())
            ));
        }
        if report.valid {
            let services = match report.services.as_slice() {
                [] => "no service".to_owned(),
                names => names.join(", "),
            };
            out.push_str(&format!("{}: ok ({services})\n", report.file));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(content: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shoal.yaml");
        std::fs::write(&path, content).unwrap();
        (folder, path)
    }

    #[test]
    fn a_valid_manifest_is_ok_and_what_does_not_run_yet_is_a_warning() {
        let (_folder, path) = manifest(
            "apiVersion: shoal.dev/v1alpha1\nkind: WasmService\nmetadata: {name: a}\nspec:\n  components:\n  \
             - {name: x, file: x.wasm}\n  triggers:\n  - {name: t, component: x, schedule: {cron: '* * * * *'}}\n  \
             volumes:\n  - {name: v, persistentVolumeClaim: {claimName: c}}\n",
        );
        let report = report(&manifests::read(&path));
        assert!(report.valid, "{report:?}");
        let (file, text) = (path.display(), text(&[report]));
        assert_eq!(
            text,
            format!(
                "warning: {file}: spec.volumes[0].persistentVolumeClaim: a persistentVolumeClaim volume: not supported yet \
                 (configMap, emptyDir, hostPath and secret are what runs today)\n\
                 {file}: ok (a)\n"
            )
        );
    }

    #[test]
    fn each_mistake_has_its_line() {
        let (_folder, path) = manifest(
            "apiVersion: shoal.dev/v1alpha1\nkind: WasmService\nmetadata: {name: a}\nspec:\n  components:\n  \
             - name: x\n    fil: x.wasm\n    limits: {memory: 64MB}\n",
        );
        let report = report(&manifests::read(&path));
        assert!(!report.valid);
        let text = text(&[report]);
        assert!(text.contains("shoal.yaml:7:5: spec.components[0].fil:"), "{text}");
        assert!(
            text.contains("shoal.yaml:8:14: spec.components[0].limits.memory:"),
            "{text}"
        );
        assert!(!text.contains("ok"), "{text}");
    }
}
