//! Mistakes in manifests are told by file, line and column before anything is started. That each kind of mistake is found is
//! proven beside the rules, in `api`; here, that the command says so.

use serde_json::{Value, json};
use shoal_e2e::manifest::single;
use shoal_e2e::{Up, run};

const HEAD: &str =
    "apiVersion: shoal.dev/v1alpha1\nkind: WasmService\nmetadata: {name: greeter}\nspec:\n  components:\n";

/// A manifest with a `»` where its mistake is, and what must be said about it.
fn mistakes() -> Vec<(String, &'static [&'static str])> {
    let with = |rest: &str| format!("{HEAD}{rest}");
    let web = |rest: &str| format!("{HEAD}  - {{name: web, file: web.wasm, {rest}}}\n");
    let api = "apiVersion: shoal.dev/v1alpha1\n";
    vec![
        (
            format!("{api}»kind: WasmServise\nmetadata: {{name: x}}\n"),
            &["WasmServise", "WasmService"],
        ),
        (
            format!(
                "{api}kind: WasmService\nmetadata: {{»name: Greeter}}\nspec: {{components: [{{name: a, file: a}}]}}\n"
            ),
            &["metadata.name"],
        ),
        (
            with("  - {name: web, »fil: web.wasm}\n"),
            &["spec.components[0].fil", "file"],
        ),
        (
            with("  - »{name: web, file: web.wasm, image: web}\n"),
            &["spec.components[0]", "image", "file"],
        ),
        (
            web("limits: {»memory: 64MB}"),
            &["spec.components[0].limits.memory", "64Mi"],
        ),
        (
            web("limits: {»requestTimeout: 10}"),
            &["spec.components[0].limits.requestTimeout"],
        ),
        (
            web("capabilities: {network: {outbound: [{host: a.example, ports: [»0]}]}}"),
            &["spec.components[0].capabilities.network.outbound[0].ports[0]"],
        ),
        (
            with("  - {name: web, file: web.wasm}\n  triggers:\n  - »{name: t, component: wbe, http: {}}\n"),
            &["spec.triggers", "wbe"],
        ),
        (
            web("capabilities: {keyValue: [»{name: default, store: nowhere}]}"),
            &["keyValue", "nowhere"],
        ),
        (
            web("env: [{name: A, »value: 1}]"),
            &["spec.components[0].env[0].value"],
        ),
        ("»just text\n".to_owned(), &["no object", "apiVersion"]),
    ]
}

#[test]
fn every_mistake_is_told_with_its_place_and_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    for (number, (marked, says)) in mistakes().into_iter().enumerate() {
        let path = folder.path().join(format!("mistake-{number}.yaml"));
        let before = marked.split('»').next().unwrap();
        let line = before.lines().count().max(1) + usize::from(before.ends_with('\n'));
        let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1;
        std::fs::write(&path, marked.replace('»', "")).unwrap();
        let path = path.to_str().unwrap();
        let validated = run(&["validate", path]);
        let up = run(&["up", "--listen", "127.0.0.1:0", path]);
        for (command, ended, output) in [
            ("validate", &validated, &validated.stdout),
            ("up", &up, &up.stderr),
        ] {
            assert_eq!(ended.code, Some(2), "{command} of mistake {number}: {ended:#?}");
            let at = format!("{path}:{line}:{column}: ");
            assert!(output.contains(&at), "{command}: no {at:?} in {output}");
            for text in says {
                assert!(output.contains(text), "{command}: no {text:?} in {output}");
            }
            assert!(
                output.len() < 2000 && !output.contains("panicked"),
                "{command} is not readable: {output}"
            );
        }
    }
}

#[test]
fn what_is_no_yaml_is_told_with_the_parsers_place() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("unclosed", format!("{HEAD}  - {{name: web\n")),
        ("tab", format!("{HEAD}\t- a\n")),
        ("empty", String::new()),
    ];
    for (name, text) in cases {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let path = path.to_str().unwrap();
        run(&["up", "--listen", "127.0.0.1:0", path]).failed(2, &[path]);
        assert_eq!(run(&["validate", path]).code, Some(2), "{name}");
    }
}

#[test]
fn all_mistakes_of_all_manifests_are_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let one = write(
        "one.yaml",
        &format!("{HEAD}  - {{name: Web, file: web.wasm, limits: {{memory: lots}}}}\n"),
    );
    let two = write("two.yaml", "kind: Nonsense\n");
    let good = write("good.yaml", &format!("{HEAD}  - {{name: web, file: web.wasm}}\n"));
    let ended = run(&["validate", "-o", "json", &one, &two, &good]);
    assert_eq!(ended.code, Some(2));
    let report: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(report["valid"], false);
    let fields = |n: usize| -> Vec<&str> {
        let problems = report["manifests"][n]["problems"].as_array().unwrap();
        problems
            .iter()
            .map(|problem| problem["field"].as_str().unwrap())
            .collect()
    };
    assert_eq!(
        fields(0),
        ["spec.components[0].name", "spec.components[0].limits.memory"]
    );
    assert!(!fields(1).is_empty());
    assert_eq!(
        (
            &report["manifests"][2]["valid"],
            &report["manifests"][2]["services"][0]
        ),
        (&json!(true), &json!("greeter"))
    );
    run(&["validate", &good]).succeeded();
}

#[test]
fn one_name_for_two_services_is_a_mistake() {
    let manifest = single("same", "http_hello", json!({}));
    let ended = Up::new().manifest(&manifest).manifest(&manifest).fails();
    ended.failed(2, &["manifest-1.yaml", "manifest-0.yaml", "same"]);
}

#[test]
fn what_does_not_run_yet_is_refused_and_never_ignored() {
    let cases = [
        (
            json!({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]}),
            "spec.volumes[0].persistentVolumeClaim",
        ),
        (
            json!({"components": [{"name": "web", "file": "x.wasm", "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.restartPolicy"}}}]}], "triggers": []}),
            "spec.components[0].env[0].valueFrom.fieldRef.fieldPath",
        ),
    ];
    for (fields, field) in cases {
        let web = shoal_e2e::component("web", "http_hello", json!({}));
        let manifest = shoal_e2e::service("later", &[("/", web)], fields);
        Up::new()
            .manifest(&manifest)
            .fails()
            .failed(2, &["manifest-0.yaml", field, "not supported yet"]);
    }
}

#[test]
fn files_that_are_not_there_are_named() {
    run(&["up", "nowhere.yaml"]).failed(2, &["nowhere.yaml", "cannot be read"]);
    assert_eq!(run(&["validate", "nowhere.yaml"]).code, Some(2));
    let missing = format!("{HEAD}  - {{name: web, file: ./nowhere.wasm}}\n");
    Up::new()
        .manifest(&missing)
        .fails()
        .failed(1, &["greeter", "component web", "nowhere.wasm"]);
    let folder = tempfile::tempdir().unwrap();
    run(&["up", folder.path().to_str().unwrap()]).failed(2, &["without .yaml files"]);
}

#[test]
fn a_trigger_for_what_cannot_be_called_is_refused() {
    let ended = Up::new()
        .manifest(&single("command", "command_hello", json!({})))
        .fails();
    ended.failed(1, &["component web exports wasi:cli/run", "shoal run"]);
    let ended = Up::new()
        .manifest(&single("module", "module_unknown_import", json!({})))
        .fails();
    ended.failed(1, &["launch"]);
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hello.yaml");
    std::fs::write(&path, single("hello", "http_hello", json!({}))).unwrap();
    run(&["up", "--listen", &address, path.to_str().unwrap()]).failed(1, &[&address, "hello", "--listen"]);
}

#[test]
fn wrong_arguments_end_with_2_and_in_json_where_that_is_asked_for() {
    run(&["up"]).failed(2, &["MANIFEST"]);
    run(&["nonsense"]).failed(2, &["nonsense"]);
    run(&["up", "--listen", "nowhere", "x.yaml"]).failed(2, &["--listen"]);
    let ended = run(&["up", "-o", "json", "--slots", "0", "x.yaml"]);
    assert_eq!(ended.code, Some(2));
    let error: Value = serde_json::from_str(&ended.stderr).expect("JSON");
    assert!(error["error"].as_str().unwrap().contains("--slots"), "{error}");
}
