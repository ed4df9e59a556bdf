//! The real compiler process: what it makes of good input, of bad input, and of input that takes too much.

#![allow(
    clippy::expect_used,
    reason = "helpers of tests, which clippy takes for other code"
)]

use shoal_compile::{CompileError, CompileLimits, Compiler, Kind, Variant, World};
use std::path::Path;
use std::time::Duration;

fn compiler(limits: CompileLimits) -> Compiler {
    Compiler::new(env!("CARGO_BIN_EXE_shoal-compile").into(), limits).expect("the binary of this package")
}

async fn compile(limits: CompileLimits, text: &str) -> Result<shoal_compile::Description, CompileError> {
    let folder = tempfile::tempdir().expect("a folder");
    let wasm = folder.path().join("it.wasm");
    std::fs::write(&wasm, wat::parse_str(text).expect("valid text")).expect("a file");
    compiler(limits)
        .compile(&wasm, &folder.path().join("it.cwasm"))
        .await
}

/// A component that holds 10 to the power of `levels` core instances, in a few kilobytes.
fn bomb(levels: u32) -> String {
    let mut text = "(component (component $c0 (core module $m) (core instance (instantiate $m)))".to_owned();
    for level in 1..=levels {
        let below = level - 1;
        let instances = format!("(instance (instantiate $c{below}))").repeat(10);
        text.push_str(&format!(
            "(component $c{level} (alias outer 1 $c{below} (component $c{below})) {instances})"
        ));
    }
    text + &format!("(instance (instantiate $c{levels})))")
}

#[tokio::test]
async fn a_component_is_compiled_and_described() {
    let text = r#"(component
        (import "acme:audit/log@1.2.0" (instance (export "write" (func (param "line" string)))))
        (core module $m (func (export "f") (result i32) i32.const 1))
        (core instance $i (instantiate $m))
        (func (export "answer") (result u32) (canon lift (core func $i "f"))))"#;
    let description = compile(CompileLimits::default(), text)
        .await
        .expect("it compiles");
    assert_eq!(
        (description.kind, description.variant),
        (Kind::Component, Variant::Plain)
    );
    assert_eq!(description.imports[0].interface(), "acme:audit/log");
    assert_eq!(description.imports[0].version(), Some("1.2.0"));
    assert!(description.export("answer").is_some());
}

#[tokio::test]
async fn imports_of_inner_components_are_not_its_own() {
    let text = r#"(component (component (import "inner:only/this" (instance))) (import "outer:only/this" (instance)))"#;
    let description = compile(CompileLimits::default(), text)
        .await
        .expect("it compiles");
    let names: Vec<_> = description.imports.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["outer:only/this"]);
}

/// The types of this pre-release are those of 0.3.0; those of the one before it are not.
#[tokio::test]
async fn the_last_pre_release_of_0_3_is_taken_for_the_release() {
    let named = |version: &str, package: &str| {
        format!(
            r#"(component
                (import "{package}:cli/environment@{version}" (instance (export "get-arguments" (func (result (list string))))))
                (core module $m (func (export "f") (result i32) i32.const 0))
                (core instance $i (instantiate $m))
                (type $run (func async (result (result))))
                (func $f (type $run) (canon lift (core func $i "f")))
                (instance $e (export "run" (func $f)))
                (export "{package}:cli/run@{version}" (instance $e)))"#
        )
    };
    for (version, package, known) in [
        ("0.3.0-rc-2026-03-15", "wasi", "0.3.0"),
        ("0.3.0-rc-2026-02-09", "wasi", "0.3.0-rc-2026-02-09"),
        ("0.3.0-rc-2026-03-15", "acme", "0.3.0-rc-2026-03-15"),
    ] {
        let text = named(version, package);
        let description = compile(CompileLimits::default(), &text)
            .await
            .expect("it compiles");
        assert!(description.concurrent());
        assert_eq!(description.imports[0].version(), Some(known));
        assert_eq!(description.exports[0].version(), Some(known));
    }
}

#[tokio::test]
async fn a_stream_in_a_type_makes_it_concurrent() {
    let text = r#"(component (type $s (stream u8)) (import "f" (func (param "s" $s))))"#;
    let description = compile(CompileLimits::default(), text)
        .await
        .expect("it compiles");
    assert!(description.concurrent());
}

#[tokio::test]
async fn a_core_module_with_unknown_imports_is_refused_by_their_names() {
    let error = compile(
        CompileLimits::default(),
        r#"(module (import "env" "launch" (func)))"#,
    )
    .await;
    let text = error.expect_err("it is refused").to_string();
    assert!(text.contains("imports `launch` from `env`"), "{text}");
}

#[tokio::test]
async fn a_core_module_without_a_start_is_refused() {
    let error = compile(CompileLimits::default(), "(module)")
        .await
        .expect_err("it is refused");
    assert!(
        error.to_string().contains("without a `_start` function"),
        "{error}"
    );
}

#[tokio::test]
async fn bytes_that_are_no_wasm_are_refused() {
    let compiler = compiler(CompileLimits::default());
    let error = compiler
        .describe(Path::new("/etc/hostname"))
        .await
        .expect_err("it is refused");
    assert!(error.to_string().contains("magic number"), "{error}");
}

#[tokio::test]
async fn a_component_that_takes_too_long_hits_the_limit_of_time() {
    let limits = CompileLimits {
        cpu: Duration::from_secs(1),
        ..CompileLimits::default()
    };
    let error = compile(limits, &bomb(8)).await.expect_err("it takes too long");
    assert!(matches!(&error, CompileError::Limit { .. }), "{error}");
}

#[tokio::test]
async fn a_component_that_takes_too_much_memory_hits_that_limit() {
    let limits = CompileLimits {
        memory: 192 << 20,
        ..CompileLimits::default()
    };
    let error = compile(limits, &bomb(8)).await.expect_err("it takes too much");
    assert!(
        matches!(&error, CompileError::Limit { limit } if limit.contains("memory")),
        "{error}"
    );
}

#[tokio::test]
async fn more_output_than_allowed_is_a_limit_too() {
    let limits = CompileLimits {
        output: 100,
        ..CompileLimits::default()
    };
    let error = compile(limits, "(component)")
        .await
        .expect_err("100 bytes are too few");
    assert!(error.to_string().contains("100 bytes of native code"), "{error}");
}

#[tokio::test]
async fn a_compiler_that_is_missing_is_named() {
    let error =
        Compiler::new("/nowhere/shoal-compile".into(), CompileLimits::default()).expect_err("it is missing");
    assert!(
        error.to_string().starts_with("/nowhere/shoal-compile is missing"),
        "{error}"
    );
}

#[tokio::test]
async fn a_core_module_is_described_as_a_program_and_refused_where_it_is_none() {
    const EXIT: &str = r#"(import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))"#;
    const START: &str = r#"(func (export "_start"))"#;
    let of = |text: &str| {
        let text = text.to_owned();
        async move { compile(CompileLimits::default(), &text).await }
    };
    let description = of(&format!(
        r#"(module {EXIT} (memory (export "memory") 1) {START})"#
    ))
    .await;
    let description = description.expect("a program");
    assert_eq!(description.kind, Kind::CoreModule);
    assert!(description.fits(World::Command) && !description.is_wasi3(World::Command));
    assert!(description.imports.is_empty(), "{description:?}");
    for (text, reason) in [
        (
            format!(r#"(module {EXIT} (memory (export "memory") 1))"#),
            "_start",
        ),
        (format!("(module {EXIT} (memory 1) {START})"), "`memory`"),
        (
            format!(r#"(module {EXIT} (memory (export "memory") 1 2 shared) {START})"#),
            "threads",
        ),
        (
            format!(r#"(module (import "env" "abort" (func)) {START})"#),
            "`abort`",
        ),
    ] {
        let refused = of(&text).await;
        assert!(
            matches!(&refused, Err(CompileError::Invalid { reason: said }) if said.contains(reason)),
            "{text}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn a_core_module_becomes_the_component_of_its_world() {
    let folder = tempfile::tempdir().expect("a folder");
    let (core, out) = (folder.path().join("core.wasm"), folder.path().join("out.wasm"));
    let of = |text: &str| std::fs::write(&core, wat::parse_str(text).expect("valid text")).expect("a file");
    let compiler = compiler(CompileLimits::default());
    // Names that follow the canonical ABI's stand for a world that nobody described.
    of(
        r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))) (func (export "_initialize"))
        (memory (export "memory") 1))"#,
    );
    compiler.componentize(&core, &out).await.expect("it fits");
    let made = compiler.describe(&out).await.expect("what was made");
    assert_eq!(made.kind, Kind::Component);
    of(r#"(module (import "nobody" "knows" (func)) (memory (export "memory") 1))"#);
    let refused = compiler.componentize(&core, &out).await;
    assert!(
        matches!(&refused, Err(CompileError::Invalid { reason }) if reason.contains("nobody")),
        "{refused:?}"
    );
}
