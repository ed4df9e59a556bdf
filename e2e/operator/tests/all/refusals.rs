//! What is wrong with a manifest is said by the API server itself, whether an operator runs or not.

use shoal_operated::crd;
use shoal_pods::{Space, cluster};
use std::path::Path;

#[test]
fn bad_manifests_are_refused_by_field_without_an_operator() {
    crd();
    let space = Space::new("refused");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../api/tests/bad");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    files.sort();
    let mut refused = 0;
    let mut accepted = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        let expected = text.lines().filter_map(|line| line.strip_prefix("#! "));
        let fields = expected.map(|it| it.split_once(" | ").unwrap().0);
        // The rest is no WasmService at all, or wrong in what every object has.
        let fields: Vec<_> = fields.filter(|it| it.starts_with("spec")).collect();
        if fields.is_empty() {
            continue;
        }
        let args = [
            "-n",
            &space.name,
            "create",
            "--validate=strict",
            "--dry-run=server",
            "-f",
            "-",
        ];
        match cluster().kubectl.run_with(&args, &text) {
            Ok(_) => accepted.push(file.file_name().unwrap().to_owned()),
            Err(error) => {
                let said = format!("{error:#}");
                // The field, or what it is in: a rule over several fields is about what holds them all.
                let names = |field: &&str| {
                    let last = field.rsplit(['.', '[']).next().unwrap().trim_end_matches(']');
                    let mut holders = field
                        .match_indices(['.', '['])
                        .map(|(at, _)| &field[..at])
                        .skip(1);
                    said.contains(last) || holders.any(|holder| said.contains(holder))
                };
                assert!(
                    fields.iter().any(names),
                    "{}: expected {fields:?} in {said}",
                    file.display()
                );
                refused += 1;
            }
        }
    }
    println!(
        "{refused} of {} manifests refused by the API server; accepted: {accepted:?}",
        files.len()
    );
    assert!(refused >= 30, "only {refused}; accepted: {accepted:?}");
}
