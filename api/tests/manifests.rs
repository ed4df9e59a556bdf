//! Manifests as their authors write them: each kind of mistake gives exactly the problem that it should, at the field
//! where it is; good ones come through with their defaults. Bad ones are in `bad/`, with what is expected at their top.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that fails may panic, its helpers too"
)]

use std::path::{Path, PathBuf};

use shoal_api::manifest::{self, Document};
use shoal_api::{Problem, WasmService, unsupported};

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

fn service(text: &str) -> WasmService {
    match manifest::parse(text, "test.yaml").unwrap().remove(0) {
        Document::Service(service) => *service,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_bad_manifest_gives_exactly_its_problems() {
    let files = files("bad");
    assert!(files.len() >= 100, "{}", files.len());
    let mut wrong = String::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let expected: Vec<(&str, &str)> = text
            .lines()
            .filter_map(|line| line.strip_prefix("#! ")?.split_once(" | "))
            .map(|(f, m)| (f.trim(), m))
            .collect();
        assert!(
            !expected.is_empty(),
            "{} does not say what to expect",
            file.display()
        );
        let problems = manifest::parse(&text, "bad.yaml")
            .map(|_| ())
            .err()
            .unwrap_or_default();
        let fits = |(field, message): &(&str, &str)| {
            problems
                .iter()
                .any(|found| found.field == *field && found.to_string().contains(message))
        };
        if problems.len() != expected.len() || !expected.iter().all(fits) {
            let found: Vec<String> = problems.iter().map(Problem::to_string).collect();
            let name = file.file_name().unwrap().to_string_lossy();
            wrong += &format!(
                "{name}\n  expected {expected:?}\n  found    {}\n",
                found.join("\n           ")
            );
        }
        for problem in problems {
            let line = problem.source.as_deref().unwrap_or_default();
            assert!(line.starts_with("bad.yaml"), "{problem}");
            assert!(!problem.to_string().contains('\n'), "{problem}");
            assert!(
                !problem.to_string().contains("31337"),
                "a problem repeats what a Secret holds: {problem}"
            );
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn a_problem_names_the_line_it_is_on() {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad/link-to-nowhere.yaml"))
            .unwrap();
    let problems = manifest::parse(&text, "some/greeter.yaml").unwrap_err();
    let line = text
        .lines()
        .position(|line| line.contains("nobody, }") || line.contains("component: nobody"))
        .unwrap()
        + 1;
    assert_eq!(
        problems[0].source.as_deref(),
        Some(format!("some/greeter.yaml:{line}:7").as_str()),
        "{text}"
    );
    let problems = manifest::parse(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringdata: {}\n",
        "s.yaml",
    )
    .unwrap_err();
    assert_eq!(
        problems[0].to_string(),
        "s.yaml:4:1: stringdata: is not a field that exists here (did you mean stringData?)"
    );
}

#[test]
fn problems_come_in_the_order_of_their_lines() {
    let text = "apiVersion: shoal.dev/v1alpha1\nkind: WasmService\nmetadata: {name: web}\nspec:\n  \
                components:\n  - {name: web}\n  triggers:\n  - {name: web, component: web, http: {path: x}}\n";
    let problems = manifest::parse(text, "order.yaml").unwrap_err();
    let fields: Vec<&str> = problems.iter().map(|problem| problem.field.as_str()).collect();
    assert_eq!(fields, ["spec.components[0]", "spec.triggers[0].http.path"]);
}

#[test]
fn good_manifests_survive_being_written_and_read_again() {
    let files = files("good");
    assert!(files.len() >= 4);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let documents = manifest::parse(&text, "good.yaml")
            .unwrap_or_else(|found| panic!("{}: {found:#?}", file.display()));
        assert!(!documents.is_empty());
        for document in documents {
            let written = match &document {
                Document::Service(service) => serde_saphyr::to_string(service),
                Document::Secret(secret) => serde_saphyr::to_string(secret),
                Document::ConfigMap(map) => serde_saphyr::to_string(map),
            };
            let written = written.unwrap();
            assert_eq!(
                manifest::parse(&written, "written.yaml"),
                Ok(vec![document]),
                "{written}"
            );
        }
    }
}

#[test]
fn the_smallest_service_gets_every_default() {
    let service = service(
        "apiVersion: shoal.dev/v1alpha1\nkind: WasmService\nmetadata: {name: web}\n\
         spec:\n  components: [{name: web, image: web, reuse: {}, capabilities: {clocks: {}}}]\n  \
         triggers: [{name: web, component: web, http: {}}]\n",
    );
    let component = &service.spec.components[0];
    assert_eq!(component.limits, shoal_api::Limits::default());
    assert_eq!(component.limits.memory.bytes(), 64 << 20);
    assert_eq!(component.limits.request_timeout.as_std().as_secs(), 10);
    assert_eq!(component.reuse, Some(shoal_api::Reuse::default()));
    assert_eq!(
        component.capabilities.clocks,
        Some(shoal_api::ClockGrant::default())
    );
    assert_eq!(
        service.spec.triggers[0].http,
        Some(shoal_api::HttpTrigger::default())
    );
    assert_eq!(service.spec.scaling, shoal_api::Scaling::default());
    assert_eq!(service.spec.placement, shoal_api::Placement::default());
}

#[test]
fn what_does_not_run_yet_is_named_field_by_field() {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/good/everything.yaml"))
            .unwrap();
    let found = unsupported(&service(&text));
    let fields: Vec<&str> = found.iter().map(|problem| problem.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "spec.components[0].env[5].valueFrom.resourceFieldRef.resource",
            "spec.volumes[2].persistentVolumeClaim",
            "spec.volumes[3].emptyDir.sizeLimit",
        ]
    );
    assert!(
        found
            .iter()
            .all(|problem| problem.message.ends_with("not supported yet"))
    );
    let simple =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/good/greeter.yaml"))
            .unwrap();
    assert_eq!(unsupported(&service(&simple)), []);
}

#[test]
fn the_examples_manifests_are_valid_and_run_today() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let folders = std::fs::read_dir(examples)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let folders: Vec<PathBuf> = folders.filter(|path| path.is_dir()).collect();
    assert!(folders.len() >= 6, "{folders:?}");
    for folder in folders {
        let name = folder.file_name().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(folder.join("shoal.yaml")).unwrap();
        let documents =
            manifest::parse(&text, "shoal.yaml").unwrap_or_else(|found| panic!("{name}: {found:#?}"));
        let Document::Service(service) = &documents[0] else {
            panic!("{name}: {documents:?}");
        };
        assert_eq!(service.metadata.name.as_deref(), Some(name));
        assert_eq!(unsupported(service), [], "{name}");
    }
}

#[test]
fn a_manifest_that_is_too_large_is_refused_before_it_is_read() {
    let text = format!("# {}\n", "x".repeat(manifest::MOST_BYTES));
    let problems = manifest::parse(&text, "large.yaml").unwrap_err();
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].message.contains("at most 1048576 are read"),
        "{}",
        problems[0]
    );
}

/// Nesting by aliases: each anchor nests deeply and ends in the one before, so that the value is far deeper than the text.
#[test]
fn aliases_cannot_nest_a_value_deeper_than_the_stack() {
    let mut text = "a0: &a0 x\n".to_owned();
    for level in 1..4000 {
        text += &format!(
            "a{level}: &a{level} {}*a{}{}\n",
            "[".repeat(50),
            level - 1,
            "]".repeat(50)
        );
    }
    let problems = manifest::parse(&text, "deep.yaml").unwrap_err();
    assert!(problems[0].message.contains("not valid YAML"), "{}", problems[0]);
}

#[test]
fn a_thousand_mistakes_end_in_a_hundred_problems() {
    let components: String = (0..64)
        .map(|index| {
            let links: String = (0..30)
                .map(|link| format!("    - {{import: \"a:b/c{link}\", component: nobody}}\n"))
                .collect();
            format!("  - name: c{index}\n    image: web\n    links:\n{links}")
        })
        .collect();
    let text = format!(
        "apiVersion: shoal.dev/v1alpha1\nkind: WasmService\nmetadata: {{name: web}}\nspec:\n  components:\n{components}"
    );
    assert_eq!(manifest::parse(&text, "many.yaml").unwrap_err().len(), 100);
}

/// Whatever a text holds, it is parsed or refused: here every manifest of this folder, with bytes flipped, cut out,
/// doubled and swapped at places that a fixed sequence of numbers chooses.
#[test]
fn no_text_makes_the_parser_panic() {
    let read = |folder: &str| -> Vec<Vec<u8>> {
        let files = files(folder);
        files.iter().map(|file| std::fs::read(file).unwrap()).collect()
    };
    let kinds = [read("bad"), read("good")];
    let mut state: u64 = 0x5eed;
    let mut next = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below.max(1)
    };
    const SIGNS: &[u8] = b"{}[]:&*!|>'\"%@`-#,? \n\t\0\xff0aA";
    let (mut refused, mut read) = (0, 0);
    for round in 0..3000 {
        let texts = &kinds[round % 2];
        let mut bytes = texts[round / 2 % texts.len()].clone();
        for _ in 0..1 + next(6) {
            let at = next(bytes.len());
            match next(5) {
                0 => bytes[at] = SIGNS[next(SIGNS.len())],
                1 => drop(bytes.drain(at..bytes.len().min(at + next(20)))),
                2 => {
                    let piece = bytes[at..bytes.len().min(at + next(40))].to_vec();
                    let to = next(bytes.len());
                    bytes.splice(to..to, piece);
                }
                3 => bytes.truncate(at),
                _ => {
                    let other = &texts[next(texts.len())];
                    let from = next(other.len());
                    bytes.splice(
                        at..at,
                        other[from..other.len().min(from + next(80))].iter().copied(),
                    );
                }
            }
            if bytes.is_empty() {
                break;
            }
        }
        match manifest::parse(&String::from_utf8_lossy(&bytes), "mutated.yaml") {
            Ok(_) => read += 1,
            Err(problems) => {
                assert!(!problems.is_empty());
                refused += 1;
            }
        }
    }
    assert!(
        refused > 1000 && read > 10,
        "{refused} refused, {read} read: the mutations are too tame or too wild"
    );
}

#[test]
fn what_was_written_has_no_defaults() {
    let text = "apiVersion: shoal.dev/v1alpha1\nkind: WasmService\nmetadata: {name: a}\n\
                spec: {components: [{name: x, image: registry.example/x:1}]}\n---\n\
                apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n";
    let written = shoal_api::manifest::written(text);
    let kinds: Vec<_> = written.iter().map(|it| it["kind"].as_str()).collect();
    assert_eq!(kinds, [Some("WasmService"), Some("Secret")]);
    assert_eq!(
        written[0]["spec"],
        serde_json::json!({"components": [{"name": "x", "image": "registry.example/x:1"}]})
    );
}
