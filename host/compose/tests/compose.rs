//! Components in text, composed: what comes out is valid, and what does not fit is told in the manifest's words.

#![allow(
    clippy::expect_used,
    reason = "helpers of tests, which clippy takes for other code"
)]

use shoal_compose::{Link, MAX_PARTS, Owned, Part, compose};
use wasmparser::{ComponentExternalKind, Parser, Payload, Validator, WasmFeatures};

struct Source {
    name: &'static str,
    wasm: Vec<u8>,
    links: Vec<Link>,
}

fn source(name: &'static str, text: &str, links: &[(&str, &str)]) -> Source {
    Source {
        name,
        wasm: wat::parse_str(text).expect("a component"),
        links: links
            .iter()
            .map(|(import, part)| Link {
                import: (*import).to_owned(),
                part: (*part).to_owned(),
            })
            .collect(),
    }
}

fn run(root: &str, sources: &[Source]) -> Result<(Vec<String>, Vec<String>), String> {
    let parts: Vec<_> = sources
        .iter()
        .map(|it| Part {
            name: it.name,
            wasm: &it.wasm,
            links: &it.links,
        })
        .collect();
    let shared = |name: &str| name.starts_with("wasi:io/");
    let composed = compose(root, &parts, &shared).map_err(|error| error.to_string())?;
    Validator::new_with_features(WasmFeatures::all())
        .validate_all(&composed.wasm)
        .expect("what comes out is valid");
    Ok(names(&composed.wasm))
}

/// The names of imports and exports.
fn names(wasm: &[u8]) -> (Vec<String>, Vec<String>) {
    let (mut imports, mut exports, mut depth) = (Vec::new(), Vec::new(), 0);
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.expect("a component") {
            Payload::ComponentSection { .. } | Payload::ModuleSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 0 => {
                imports.extend(
                    section
                        .into_iter()
                        .map(|it| it.expect("an import").name.name.to_owned()),
                );
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let export = export.expect("an export");
                    if export.kind != ComponentExternalKind::Type {
                        exports.push(export.name.name.to_owned());
                    }
                }
            }
            _ => {}
        }
    }
    (imports, exports)
}

const ENVIRONMENT: &str =
    r#"(import "wasi:cli/environment@0.2.6" (instance (export "count" (func (result u32)))))"#;

/// Exports an interface with one function of this type.
fn provider(interface: &str, function: &str, params: &str, result: &str) -> String {
    let core_params = params.matches("(param").count();
    let core_params = "(param i32) ".repeat(core_params);
    format!(
        r#"(component
            {ENVIRONMENT}
            (core module $m (func (export "f") {core_params}(result i32) i32.const 1))
            (core instance $i (instantiate $m))
            (func $f {params} {result} (canon lift (core func $i "f")))
            (instance $e (export "{function}" (func $f)))
            (export "{interface}" (instance $e)))"#
    )
}

fn caller(interface: &str, functions: &str) -> String {
    format!(
        r#"(component
            {ENVIRONMENT}
            (import "{interface}" (instance {functions}))
            (core module $m (func (export "f") (result i32) i32.const 1))
            (core instance $i (instantiate $m))
            (func $f (result u32) (canon lift (core func $i "f")))
            (export "run" (func $f)))"#
    )
}

#[test]
fn each_part_keeps_its_own_imports_and_the_whole_exports_what_the_root_does() {
    let web = caller(
        "acme:auth/check@0.2.0",
        r#"(export "check" (func (param "id" u32) (result bool)))"#,
    );
    let auth = provider(
        "acme:auth/check@0.2.3",
        "check",
        r#"(param "id" u32)"#,
        "(result bool)",
    );
    let sources = [
        source("auth", &auth, &[]),
        source("web", &web, &[("acme:auth/check", "auth")]),
    ];
    let (imports, exports) = run("web", &sources).expect("it composes");
    assert_eq!(
        imports,
        ["p0-wasi:cli/environment@0.2.6", "p1-wasi:cli/environment@0.2.6"]
    );
    assert_eq!(exports, ["run"]);
    let owner = Owned::parse(&imports[1]).expect("an owner");
    assert_eq!((owner.part, owner.name), (1, "wasi:cli/environment@0.2.6"));
}

#[test]
fn one_part_is_shared_by_all_that_link_it() {
    let both = r#"(export "f" (func (result u32)))"#;
    let middle = format!(
        r#"(component
            {ENVIRONMENT}
            (import "a:b/base" (instance $base {both}))
            (export "a:b/left" (instance $base)))"#
    );
    let right = middle.replace("a:b/left", "a:b/right");
    let top = format!(
        r#"(component (import "a:b/left" (instance $l {both})) (import "a:b/right" (instance {both}))
            (alias export $l "f" (func $f)) (export "run" (func $f)))"#
    );
    let sources = [
        source("top", &top, &[("a:b/left", "left"), ("a:b/right", "right")]),
        source("left", &middle, &[("a:b/base", "base")]),
        source("right", &right, &[("a:b/base", "base")]),
        source("base", &provider("a:b/base", "f", "", "(result u32)"), &[]),
    ];
    let (imports, exports) = run("top", &sources).expect("it composes");
    // One for each part: the base was made once.
    assert_eq!(imports.len(), 3, "{imports:?}");
    assert_eq!(exports, ["run"]);
}

#[test]
fn a_misfit_shows_both_types_and_where_they_differ() {
    let user = |id: &str| {
        format!(
            r#"(type $u' (record (field "name" string) (field "id" {id}))) (export "user" (type $u (eq $u')))
               (type $l (list $u)) (export "find" (func (param "user" $u) (result (option $l))))"#
        )
    };
    let web = caller("acme:auth/users", &user("u32"));
    let auth = format!(
        r#"(component (import "x" (instance $x {})) (export "acme:auth/users" (instance $x)))"#,
        user("u64")
    );
    let sources = [
        source("web", &web, &[("acme:auth/users", "auth")]),
        source("auth", &auth, &[]),
    ];
    let error = run("web", &sources).expect_err("they differ");
    for part in [
        "component web: links: its import acme:auth/users does not fit the export acme:auth/users of auth",
        "web imports   record user { name: string, id: u32 }",
        "auth exports  record user { name: string, id: u64 }",
        "they differ in  field id: u32 and u64",
        "find: func(user: user) -> option<list<user>>",
    ] {
        assert!(error.contains(part), "{part} is not in:\n{error}");
    }
}

#[test]
fn missing_functions_and_other_parameters_are_shown() {
    let web = caller(
        "a:b/c@1.0.0",
        r#"(export "one" (func (param "id" u32) (result bool))) (export "two" (func (result string)))"#,
    );
    let sources = [
        source("web", &web, &[("a:b/c", "lib")]),
        source(
            "lib",
            &provider(
                "a:b/c@1.2.0",
                "one",
                r#"(param "id" u32) (param "at" u32)"#,
                "(result bool)",
            ),
            &[],
        ),
    ];
    let error = run("web", &sources).expect_err("they differ");
    for part in [
        "one: func(id: u32) -> bool",
        "one: func(id: u32, at: u32) -> bool",
        "1 and 2 parameters",
        "two: func() -> string",
        "nothing of that name",
    ] {
        assert!(error.contains(part), "{part} is not in:\n{error}");
    }
}

/// An interface with a resource of the host in a function.
const STREAMS: &str = r#"
    (import "wasi:io/streams@0.2.6" (instance $io (export "stream" (type (sub resource)))))
    (alias export $io "stream" (type $s))"#;
const SINK: &str = r#"(alias outer 1 $s (type $s')) (export "stream" (type $t (eq $s'))) (type $o (own $t))
    (export "put" (func (param "to" $o)))"#;

/// A component, and the one that it hands handles of the host to. Both have `host` among their imports.
fn two_that_hand_on(host: &str, sink: &str) -> (String, String) {
    let web = format!(
        r#"(component {host} {ENVIRONMENT} (import "a:b/sink" (instance $sink {sink}))
            (alias export $sink "put" (func $f)) (export "put" (func $f)))"#
    );
    let lib = format!(
        r#"(component {host} {ENVIRONMENT} (import "x:y/z" (instance $sink {sink})) (export "a:b/sink" (instance $sink)))"#
    );
    (web, lib)
}

/// What is left to import once they are composed.
fn imports_of_two(web: &str, lib: &str) -> Vec<String> {
    let sources = [
        source("web", web, &[("a:b/sink", "lib")]),
        source("lib", lib, &[]),
    ];
    run("web", &sources).expect("it composes").0
}

#[test]
fn handles_of_the_host_can_be_handed_on_where_they_carry_no_authority() {
    let (web, lib) = two_that_hand_on(STREAMS, SINK);
    let imports = imports_of_two(&web, &lib);
    assert!(
        imports.contains(&"wasi:io/streams@0.2.6".to_owned()),
        "{imports:?}"
    );
    for own in [
        "p0-wasi:cli/environment@0.2.6",
        "p1-wasi:cli/environment@0.2.6",
        "p1-x:y/z",
    ] {
        assert!(imports.contains(&own.to_owned()), "{imports:?}");
    }
}

/// A shared interface with a resource, and with times of clocks, which are not shared.
const FILES: &str = r#"
    (import "wasi:clocks/wall-clock@0.2.6" (instance $clock
        (type $d' (record (field "seconds" u64) (field "nanoseconds" u32))) (export "datetime" (type $d (eq $d')))
        (export "now" (func (result $d)))))
    (alias export $clock "datetime" (type $datetime))
    (import "wasi:clocks/monotonic-clock@0.2.6" (instance $monotonic
        (type $u u64) (export "duration" (type (eq $u)))))
    (alias export $monotonic "duration" (type $duration))
    (import "wasi:io/files@0.2.6" (instance $files
        (export "descriptor" (type $f (sub resource)))
        (alias outer 1 $datetime (type $d')) (export "datetime" (type $d (eq $d')))
        (alias outer 1 $duration (type $u')) (export "duration" (type $u (eq $u')))
        (type $v' (variant (case "now") (case "timestamp" $d))) (export "new-timestamp" (type $v (eq $v')))
        (type $b (borrow $f))
        (export "set-times" (func (param "self" $b) (param "to" $v) (param "within" $u)))))
    (alias export $files "descriptor" (type $s))"#;

#[test]
fn shared_interfaces_may_have_times_of_clocks_that_each_part_has_its_own_of() {
    let sink = SINK.replace("stream", "descriptor");
    let (web, lib) = two_that_hand_on(FILES, &sink);
    let imports = imports_of_two(&web, &lib);
    let of = |name: &str| imports.iter().filter(|it| it.contains(name)).collect::<Vec<_>>();
    assert_eq!(of("wasi:io/files"), ["wasi:io/files@0.2.6"]);
    for clock in [
        "wasi:clocks/wall-clock@0.2.6",
        "wasi:clocks/monotonic-clock@0.2.6",
    ] {
        assert_eq!(
            of(clock),
            [&format!("p0-{clock}"), &format!("p1-{clock}")],
            "{imports:?}"
        );
    }
    // Other versions of the same interfaces.
    let imports = imports_of_two(&web, &lib.replace("@0.2.6", "@0.2.3"));
    assert!(
        imports.contains(&"p1-wasi:clocks/wall-clock@0.2.3".to_owned()),
        "{imports:?}"
    );
}

#[test]
fn types_alone_need_no_provider() {
    let types = r#"(import "a:b/types" (instance $t (type $r' (record (field "x" u32))) (export "r" (type (eq $r')))))
        (alias export $t "r" (type $r))"#;
    let check = r#"(alias outer 1 $r (type $r')) (export "r" (type $q (eq $r'))) (export "check" (func (param "r" $q)))"#;
    let web = format!(
        r#"(component {types} (import "a:b/check" (instance $c {check})) (alias export $c "check" (func $f)) (export "run" (func $f)))"#
    );
    let lib = format!(
        r#"(component {types} (import "x:y/z" (instance $c {check})) (export "a:b/check" (instance $c)))"#
    );
    let sources = [
        source("web", &web, &[("a:b/check", "lib")]),
        source("lib", &lib, &[]),
    ];
    let (imports, _) = run("web", &sources).expect("it composes");
    assert_eq!(imports, ["p0-a:b/types", "p1-a:b/types", "p1-x:y/z"]);
}

#[test]
fn a_core_module_and_broken_bytes_are_named() {
    let web = caller("a:b/c", r#"(export "f" (func))"#);
    let mut sources = [
        source("web", &web, &[("a:b/c", "lib")]),
        source("lib", "(module)", &[]),
    ];
    let error = run("web", &sources).expect_err("a module");
    assert!(error.contains("component lib is a core module"), "{error}");
    let whole = wat::parse_str(provider("a:b/c", "f", "", "(result u32)")).expect("a component");
    // Nothing that is cut off or changed in one place makes it panic.
    for at in 8..whole.len() {
        sources[1].wasm = whole[..at].to_vec();
        let _ = run_quietly(&sources);
        let mut changed = whole.clone();
        changed[at] ^= 0x55;
        sources[1].wasm = changed;
        let _ = run_quietly(&sources);
    }
}

fn run_quietly(sources: &[Source]) -> Result<(), String> {
    let parts: Vec<_> = sources
        .iter()
        .map(|it| Part {
            name: it.name,
            wasm: &it.wasm,
            links: &it.links,
        })
        .collect();
    compose("web", &parts, &|_| false)
        .map(drop)
        .map_err(|error| error.to_string())
}

#[test]
fn as_many_parts_as_allowed_compose() {
    let f = r#"(export "f" (func (result u32)))"#;
    let names: Vec<&'static str> = (0..MAX_PARTS)
        .map(|at| &*Box::leak(format!("n{at}").into_boxed_str()))
        .collect();
    let mut sources = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let next = at + 1;
        let text = if next == MAX_PARTS {
            provider(&format!("a:b/i{at}"), "f", "", "(result u32)")
        } else {
            format!(
                r#"(component {ENVIRONMENT} (import "a:b/i{next}" (instance $n {f})) (export "a:b/i{at}" (instance $n)))"#
            )
        };
        let link = (
            format!("a:b/i{next}"),
            names.get(next).copied().unwrap_or_default(),
        );
        let links: Vec<(&str, &str)> = if next == MAX_PARTS {
            vec![]
        } else {
            vec![(&link.0, link.1)]
        };
        sources.push(source(name, &text, &links));
    }
    let (imports, exports) = run("n0", &sources).expect("it composes");
    assert_eq!((imports.len(), exports), (MAX_PARTS, vec!["a:b/i0".to_owned()]));
}
