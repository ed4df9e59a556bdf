//! Components that were built for other platforms: their drafts of interfaces, what their SDKs import and nobody calls, and
//! pre-releases of WASI 0.3.

use serde_json::json;
use shoal_e2e::binaries::guest;
use shoal_e2e::cache::Cache;
use shoal_e2e::manifest::single;
use shoal_e2e::{Shoal, Up, get, run, service};

#[tokio::test]
async fn drafts_of_interfaces_do_what_their_releases_do() {
    let component = json!({"capabilities": {
        "config": [{"name": "colour", "value": "blue"}],
        "keyValue": [{"name": "default", "store": "data"}, {"name": "", "store": "data"}],
    }});
    let web = shoal_e2e::component("web", "http_drafts", component);
    let stores = json!({"stores": [{"name": "data", "memory": {}}]});
    let shoal = Shoal::up(&service("drafts", &[("/", web)], stores)).await;
    let at = shoal.address();
    get(at, "/?op=zone").await.is(200, "UTC 0 0\n");
    get(at, "/?op=config&name=colour")
        .await
        .is(200, "Some(\"blue\") Some(\"blue\")\n");
    get(at, "/?op=config&name=other").await.is(200, "None None\n");
    for store in ["default", ""] {
        get(at, &format!("/?op=keys&store={store}")).await.has(
            200,
            "a b Error::Other(\"the cursor is none that list-keys returned",
        );
    }
    get(at, "/?op=log").await.is(200, "logged\n");
    shoal.says("drafts", "WARN orders: one is late").await;
    shoal.says("drafts", "and another").await;
    shoal.says("drafts", "CRITICAL all are").await;
}

/// Without a grant, configuration is empty and a line of the log costs nothing; the empty name of a store is that of `default`.
#[tokio::test]
async fn what_carries_no_authority_needs_no_grant() {
    let grants = json!({"capabilities": {"keyValue": [{"name": "default", "store": "data"}]}});
    let web = shoal_e2e::component("web", "http_drafts", grants);
    let stores = json!({"stores": [{"name": "data", "memory": {}}]});
    let shoal = Shoal::up(&service("drafts", &[("/", web)], stores)).await;
    get(shoal.address(), "/?op=config&name=colour")
        .await
        .is(200, "None None\n");
    get(shoal.address(), "/?op=keys&store=").await.has(200, "a b ");
}

#[tokio::test]
async fn what_an_sdk_declares_and_nobody_calls_may_be_missing() {
    let refused = Up::new()
        .manifest(&single("unused", "http_unused", json!({})))
        .fails();
    refused.failed(
        1,
        &[
            "component web can't run here: link what exports the 2 interfaces of acme:platform, or list them as unused; grant it \
             keyValue",
            "spec.components[0].capabilities.unusedImports: [\"acme:platform/*\"]",
        ],
    );
    let unused = json!({"capabilities": {"unusedImports": ["acme:platform/*", "wasi:keyvalue/store"]}});
    let shoal = Shoal::up(&single("unused", "http_unused", unused)).await;
    let at = shoal.address();
    get(at, "/").await.is(200, "nothing of it was called\n");
    // What Shoal has is there, with nothing granted.
    get(at, "/?call=store")
        .await
        .is(200, "Some(Error::NoSuchStore)\n");
    for (called, function) in [
        ("queue", "acme:platform/queue@1.2.0#length was called"),
        (
            "database",
            "acme:platform/database@1.2.0#[static]connection.open was called",
        ),
    ] {
        assert_eq!(get(at, &format!("/?call={called}")).await.status, 500);
        shoal.says("unused", function).await;
    }
}

#[test]
fn shoal_inspect_shows_what_to_say_of_imports_that_are_not_used() {
    let file = guest("http_unused");
    let told = run(&["inspect", file.to_str().unwrap()]);
    let line = "# capabilities: {unusedImports: [\"acme:platform/*\"]}";
    assert!(told.succeeded().stdout.contains(line), "{told:#?}");
}

/// A program of a WASI version, which gets its arguments and exits with 0.
fn program(version: &str) -> String {
    format!(
        r#"(component
            (import "acme:sdk/metrics@1.0.0" (instance (export "count" (func (param "name" string)))))
            (import "wasi:cli/environment@{version}" (instance $env
                (export "get-arguments" (func (result (list string))))))
            (core module $m (func (export "f") (result i32) i32.const 0))
            (core instance $i (instantiate $m))
            (func $f (result (result)) (canon lift (core func $i "f")))
            (instance $e (export "run" (func $f)))
            (export "wasi:cli/run@{version}" (instance $e)))"#
    )
}

#[test]
fn a_program_says_by_an_option_what_it_never_uses() {
    let cache = Cache::new();
    let file = cache.folder().join("it.wasm");
    let file = file.to_str().unwrap();
    std::fs::write(file, wat::parse_str(program("0.2.6")).unwrap()).unwrap();
    cache
        .run(&["run", file])
        .failed(1, &["--unused-import 'acme:sdk/metrics'"]);
    cache
        .run(&["run", "--unused-import", "acme:sdk/*", file])
        .succeeded();
    cache
        .run(&["run", "--unused-import", "acme sdk", file])
        .failed(2, &["unusedImports"]);
}

/// Its only difference to a program of 0.3.0 is the name of the version.
#[test]
fn a_program_of_the_last_pre_release_of_0_3_runs() {
    let cache = Cache::new();
    let file = cache.folder().join("it.wasm");
    let file = file.to_str().unwrap();
    let program = |version: &str| {
        let sync = program(version).replace("(func $f (result (result))", "(func $f (type $run)");
        sync.replacen(
            "(component",
            "(component (type $run (func async (result (result))))",
            1,
        )
    };
    for version in ["0.3.0-rc-2026-03-15", "0.3.0"] {
        std::fs::write(file, wat::parse_str(program(version)).unwrap()).unwrap();
        cache
            .run(&["run", "--unused-import", "acme:sdk/metrics", file])
            .succeeded();
    }
    std::fs::write(file, wat::parse_str(program("0.3.0-rc-2026-02-09")).unwrap()).unwrap();
    cache
        .run(&["run", "--unused-import", "acme:sdk/metrics", file])
        .failed(1, &["rebuild it against wasi:cli 0.3.0"]);
}
