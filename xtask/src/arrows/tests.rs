//! The rules of this repository against small workspaces, most of them wrong in one way.

use super::check::{Violation, check};
use super::graph::{Crate, Dependency, Graph, Kind};
use super::rules::RULES;

fn member(folder: &str) -> Dependency {
    Dependency {
        folder: Some(folder.to_owned()),
        ..external(&format!("shoal-{}", folder.replace('/', "-")))
    }
}

fn external(name: &str) -> Dependency {
    Dependency {
        name: name.to_owned(),
        folder: None,
        kind: Kind::Normal,
        optional: false,
        features: Vec::new(),
        default_features: false,
    }
}

fn in_crate(folder: &str, dependencies: Vec<Dependency>) -> Crate {
    Crate {
        folder: folder.to_owned(),
        name: format!("crate-of-{folder}"),
        dependencies,
        ..Crate::default()
    }
}

fn violations(crates: Vec<Crate>) -> Vec<Violation> {
    check(
        &Graph {
            crates,
            ..Graph::default()
        },
        &RULES,
    )
}

fn edges(crates: Vec<Crate>) -> Vec<String> {
    violations(crates)
        .into_iter()
        .map(|violation| violation.edge)
        .collect()
}

fn tree(edges: &[(&str, &[&str])]) -> Graph {
    let names = |names: &&[&str]| names.iter().map(|&name| name.to_owned()).collect();
    Graph {
        crates: Vec::new(),
        tree: edges
            .iter()
            .map(|(from, to)| ((*from).to_owned(), names(to)))
            .collect(),
    }
}

#[test]
fn the_arrows_of_the_design_are_allowed() {
    let compile = Dependency {
        optional: true,
        ..member("host/engine")
    };
    let allowed = vec![
        in_crate("api", vec![external("serde"), external("kube")]),
        in_crate("host/engine", vec![external("wasmtime"), external("tokio")]),
        in_crate("host/compile", vec![compile, external("wasmtime")]),
        in_crate(
            "host/artifact",
            vec![member("api"), member("host/compile"), external("oci-client")],
        ),
        in_crate(
            "host/capability",
            vec![member("api"), member("host/engine"), external("wasmtime-wasi")],
        ),
        in_crate("host/trigger", vec![member("api"), external("hyper")]),
        in_crate(
            "host/service",
            vec![member("host/trigger"), member("host/artifact"), member("api")],
        ),
        in_crate("shim/worker", vec![member("host/service"), external("wasmtime")]),
        in_crate(
            "operator/controller",
            vec![member("api"), member("operator/plan"), external("kube-runtime")],
        ),
        in_crate("cli", vec![member("host/service"), member("api")]),
        in_crate(
            "e2e/tests",
            vec![
                member("host/trigger"),
                member("shim/daemon"),
                external("kube-client"),
            ],
        ),
    ];
    assert_eq!(violations(allowed), []);
}

#[test]
fn operator_and_shim_never_see_each_other() {
    let found = violations(vec![in_crate(
        "operator/controller",
        vec![member("shim/daemon"), member("api")],
    )]);
    assert_eq!(found.len(), 1);
    let told = found[0].to_string();
    for part in [
        "operator/controller -> shim/daemon",
        "may use api, operator/plan, host/artifact",
        "never see each other",
    ] {
        assert!(told.contains(part), "{part:?} is not in: {told}");
    }
    assert_eq!(
        edges(vec![in_crate("shim/daemon", vec![member("operator/plan")])]),
        ["shim/daemon -> operator/plan"]
    );
}

#[test]
fn api_depends_on_no_crate_of_ours_and_does_no_io() {
    let api = in_crate(
        "api",
        vec![member("host/engine"), external("tokio"), external("wasmtime")],
    );
    assert_eq!(
        edges(vec![api]),
        ["api -> host/engine", "api -> tokio", "api -> wasmtime"]
    );
}

#[test]
fn host_crates_do_not_look_up() {
    let found = edges(vec![
        in_crate("host/engine", vec![member("host/capability")]),
        in_crate("host/trigger", vec![member("host/service")]),
        in_crate("host/artifact", vec![member("host/engine")]),
    ]);
    let expected = [
        "host/engine -> host/capability",
        "host/trigger -> host/service",
        "host/artifact -> host/engine",
    ];
    assert_eq!(found, expected);
}

#[test]
fn tests_and_build_scripts_follow_the_same_arrows() {
    for kind in [Kind::Dev, Kind::Build] {
        let entry = Dependency {
            kind,
            ..member("host/service")
        };
        let found = violations(vec![in_crate("host/trigger", vec![entry])]);
        assert_eq!(found.len(), 1, "{kind:?}");
        assert!(found[0].problem.contains(kind.table()), "{}", found[0]);
    }
}

#[test]
fn the_library_of_compile_needs_no_engine() {
    assert_eq!(
        edges(vec![in_crate("host/compile", vec![member("host/engine")])]),
        ["host/compile -> host/engine"]
    );
}

#[test]
fn a_folder_without_a_row_is_refused() {
    assert_eq!(
        edges(vec![in_crate("host2/new", vec![])]),
        ["host2/new -> anything"]
    );
}

#[test]
fn wasmtime_stays_inside_host_and_worker() {
    for folder in [
        "api",
        "cli",
        "host/trigger",
        "shim/daemon",
        "operator/controller",
        "e2e/tests",
    ] {
        let found = edges(vec![in_crate(folder, vec![external("wasmtime-wasi")])]);
        assert_eq!(found, [format!("{folder} -> wasmtime-wasi")]);
    }
    // Parsers know the format, not the engine.
    assert_eq!(
        violations(vec![in_crate(
            "cli",
            vec![external("wasmparser"), external("wit-component")]
        )]),
        []
    );
}

#[test]
fn a_kubernetes_client_stays_where_it_may_be() {
    let client = Dependency {
        features: vec!["client".to_owned()],
        ..external("kube")
    };
    let default = Dependency {
        default_features: true,
        ..external("kube")
    };
    for entry in [client, default, external("kube-client"), external("kube-runtime")] {
        let edge = format!("-> {}", entry.name);
        for folder in ["api", "shim/daemon", "host/service", "operator/plan"] {
            assert_eq!(
                edges(vec![in_crate(folder, vec![entry.clone()])]),
                [format!("{folder} {edge}")]
            );
        }
        assert_eq!(
            violations(vec![in_crate("operator/controller", vec![entry.clone()])]),
            []
        );
        assert_eq!(violations(vec![in_crate("cli", vec![entry])]), []);
    }
    let derive = Dependency {
        features: vec!["derive".to_owned()],
        ..external("kube")
    };
    assert_eq!(violations(vec![in_crate("api", vec![derive])]), []);
}

#[test]
fn the_compiler_is_turned_on_by_nobody() {
    let compiler = |name: &str| Dependency {
        features: vec!["cranelift".to_owned()],
        ..external(name)
    };
    assert_eq!(
        edges(vec![in_crate("host/engine", vec![compiler("wasmtime")])]),
        ["host/engine -> wasmtime/cranelift"]
    );
    // shoal-compile holds it, but behind a feature: its library is linked into processes that run guests.
    assert_eq!(
        edges(vec![in_crate("host/compile", vec![compiler("wasmtime")])]),
        ["host/compile -> wasmtime/cranelift"]
    );
    let behind = Dependency {
        optional: true,
        ..compiler("wasmtime")
    };
    assert_eq!(violations(vec![in_crate("host/compile", vec![behind])]), []);
    let full = Dependency {
        default_features: true,
        ..external("wasmtime")
    };
    assert_eq!(
        edges(vec![in_crate("host/service", vec![full])]),
        ["host/service -> wasmtime/default"]
    );
    let enabled = Dependency {
        features: vec!["cranelift".to_owned()],
        ..member("host/compile")
    };
    let enabled = Dependency {
        name: "shoal-compile".to_owned(),
        ..enabled
    };
    assert_eq!(
        edges(vec![in_crate("host/artifact", vec![enabled])]),
        ["host/artifact -> shoal-compile/cranelift"]
    );
}

#[test]
fn a_feature_that_turns_the_compiler_on_counts_too() {
    let with = |folder: &str, turned_on: &str| {
        let mut each = in_crate(folder, vec![]);
        each.features.insert(
            "fast".to_owned(),
            vec!["dep:wat".to_owned(), turned_on.to_owned()],
        );
        each
    };
    assert_eq!(
        edges(vec![with("cli", "shoal-compile/cranelift")]),
        ["cli -> shoal-compile/cranelift"]
    );
    assert_eq!(
        edges(vec![with("host/engine", "wasmtime?/winch")]),
        ["host/engine -> wasmtime/winch"]
    );
    assert_eq!(violations(vec![with("host/compile", "wasmtime/cranelift")]), []);
}

#[test]
fn the_compiler_is_found_however_deep() {
    let mut graph = tree(&[
        ("crate-of-cli", &["clap", "shoal-service"]),
        ("shoal-service", &["wasmtime", "crate-of-cli"]),
        ("wasmtime", &["cranelift-entity", "wasmtime-internal-cranelift"]),
        ("wasmtime-internal-cranelift", &["cranelift-codegen"]),
    ]);
    graph.crates = vec![in_crate("cli", vec![])];
    let found = check(&graph, &RULES);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].edge, "cli -> wasmtime-internal-cranelift");
    let path = "crate-of-cli -> shoal-service -> wasmtime -> wasmtime-internal-cranelift";
    assert!(found[0].problem.contains(path), "{}", found[0]);

    graph
        .tree
        .insert("wasmtime".to_owned(), ["cranelift-entity".to_owned()].into());
    assert_eq!(check(&graph, &RULES), []);
}

#[test]
fn the_daemon_reaches_nothing_that_runs_guests() {
    for (from, to) in [
        ("shim/daemon", "host/service"),
        ("shim/daemon", "host/engine"),
        ("shim/daemon", "shim/worker"),
        ("shim/protocol", "host/capability"),
        ("shim/launcher", "api"),
        ("shim/channel", "shim/protocol"),
        ("shim/worker", "shim/daemon"),
    ] {
        let found = edges(vec![in_crate(from, vec![member(to)])]);
        assert_eq!(found, [format!("{from} -> {to}")]);
    }
    // By a crate that it may use, and that others are free to change.
    let mut graph = tree(&[
        ("crate-of-shim/daemon", &["shoal-artifact"]),
        ("shoal-artifact", &["wasmtime"]),
    ]);
    graph.crates = vec![in_crate("shim/daemon", vec![]), in_crate("host/service", vec![])];
    let found = check(&graph, &RULES);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].edge, "shim/daemon -> wasmtime");
    let path = "crate-of-shim/daemon -> shoal-artifact -> wasmtime";
    assert!(found[0].problem.contains(path), "{}", found[0]);
    graph.crates = vec![in_crate("shim/worker", vec![]), in_crate("cli", vec![])];
    assert_eq!(check(&graph, &RULES), []);
}
