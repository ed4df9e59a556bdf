//! What somebody reads whose component may not run: `refusals.txt` has all of it, to be read as a stranger would.

use serde_json::{Value, json};
use shoal_e2e::cache::Cache;
use shoal_e2e::{Ended, Up, service};
use std::fmt::Write as _;
use std::path::Path;

/// A program of WASI 0.2 that imports interfaces, or functions, and does nothing.
fn program(imports: &[&str]) -> String {
    with_exports(imports, "wasi:cli/run@0.2.6", "run")
}

/// A component that could answer requests; nothing in it is ever called.
fn server(imports: &[&str]) -> String {
    with_exports(imports, "wasi:http/incoming-handler@0.2.6", "handle")
}

fn with_exports(imports: &[&str], export: &str, function: &str) -> String {
    let import = |name: &&str| match name.contains('/') {
        true => format!("(import \"{name}\" (instance (export \"call\" (func (result (result))))))"),
        false => format!("(import \"{name}\" (func))"),
    };
    let imports: Vec<_> = imports.iter().map(import).collect();
    format!(
        r#"(component {}
            (core module $m (func (export "f") (result i32) i32.const 0))
            (core instance $i (instantiate $m))
            (func $f (result (result)) (canon lift (core func $i "f")))
            (instance $e (export "{function}" (func $f)))
            (export "{export}" (instance $e)))"#,
        imports.join("\n")
    )
}

const SPIN: [&str; 9] = [
    "fermyon:spin/llm@2.0.0",
    "fermyon:spin/redis@2.0.0",
    "fermyon:spin/mqtt@2.0.0",
    "fermyon:spin/postgres@2.0.0",
    "fermyon:spin/mysql@2.0.0",
    "fermyon:spin/sqlite@2.0.0",
    "fermyon:spin/key-value@2.0.0",
    "fermyon:spin/variables@2.0.0",
    "wasi:http/outgoing-handler@0.2.0",
];

const PRE_RELEASE: [&str; 4] = [
    "wasi:cli/environment@0.3.0-rc-2026-01-06",
    "wasi:clocks/system-clock@0.3.0-rc-2026-01-06",
    "wasi:http/types@0.3.0-rc-2026-01-06",
    "wasi:http/client@0.3.0-rc-2026-01-06",
];

/// `shoal run` of a text.
fn run(cache: &Cache, folder: &Path, text: &str) -> Ended {
    let file = folder.join("program.wasm");
    std::fs::write(&file, wat::parse_str(text).unwrap()).unwrap();
    cache.run(&["run", file.to_str().unwrap()])
}

/// `shoal up` of a service of components, each with its text and further fields.
fn up(cache: &Cache, folder: &Path, components: &[(&str, String, Value)]) -> Ended {
    let components: Vec<_> = components
        .iter()
        .map(|(name, text, fields)| {
            let file = folder.join(format!("{name}.wasm"));
            std::fs::write(&file, wat::parse_str(text).unwrap()).unwrap();
            let mut component = json!({"name": name, "file": file});
            component
                .as_object_mut()
                .unwrap()
                .extend(fields.as_object().unwrap().clone());
            (if *name == "web" { "/" } else { "" }, component)
        })
        .collect();
    let manifest = service("shop", &components, json!({}));
    Up::new().manifest(&manifest).cache(&cache.path()).fails()
}

#[test]
fn the_first_line_of_a_refusal_says_what_to_do() {
    let (cache, folder) = (Cache::new(), tempfile::tempdir().unwrap());
    let folder = folder.path();
    let alone = |text: String| up(&cache, folder, &[("web", text, json!({}))]);
    let linked = json!({"links": [{"import": "acme:auth/check", "component": "auth"}]});
    let refusals = [
        (
            "a server that makes requests",
            alone(server(&["wasi:http/outgoing-handler@0.2.6"])),
        ),
        (
            "a program that opens connections, by shoal run",
            run(
                &cache,
                folder,
                &program(&["wasi:sockets/tcp@0.2.6", "wasi:sockets/udp@0.2.6"]),
            ),
        ),
        (
            "a server with a store and secrets",
            alone(server(&[
                "wasi:keyvalue/store@0.2.0-draft",
                "shoal:service/secrets@0.1.0",
            ])),
        ),
        (
            "a program with a store, by shoal run",
            run(&cache, folder, &program(&["wasi:keyvalue/store@0.2.0-draft"])),
        ),
        (
            "a server that another component should have been linked to",
            alone(server(&["acme:auth/check@1.2.0"])),
        ),
        (
            "a component of which the linked one lacks something",
            up(
                &cache,
                folder,
                &[
                    ("web", server(&["acme:auth/check@1.2.0"]), linked),
                    (
                        "auth",
                        with_exports(&["wasi:sockets/tcp@0.2.6"], "acme:auth/check@1.2.0", "call"),
                        json!({}),
                    ),
                ],
            ),
        ),
        ("a component of another platform", alone(server(&SPIN))),
        ("a component of a pre-release", alone(server(&PRE_RELEASE))),
        ("a function outside of any interface", alone(server(&["log"]))),
        (
            "an interface that is for later",
            alone(server(&["wasi:messaging/producer@0.2.0-draft"])),
        ),
        ("a program where a server is wanted", alone(program(&[]))),
        (
            "a server where a program is wanted, by shoal run",
            run(&cache, folder, &server(&[])),
        ),
    ];
    let mut told = String::new();
    for (what, ended) in refusals {
        assert_eq!(ended.code, Some(1), "{what}: {ended:#?}");
        let said = ended.stderr.replace(&format!("{}/", folder.display()), "");
        writeln!(told, "# {what}\n\n{}\n", said.trim_end()).unwrap();
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/refusals.txt");
    if std::env::var_os("SHOAL_GOLDEN").is_some_and(|it| it == "write") {
        std::fs::write(&file, &told).unwrap();
    }
    let wanted = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(told == wanted, "not what {} says:\n{told}", file.display());
    // Who may not run is not compiled.
    let compiled = |path: &&std::path::PathBuf| path.extension().is_some_and(|it| it == "cwasm");
    let compiled: Vec<_> = cache.files().iter().filter(compiled).cloned().collect();
    assert!(compiled.is_empty(), "{compiled:?}");
}
