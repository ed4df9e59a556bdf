//! Each template of `shoal new`, as a newcomer uses it: made, built, run, changed while it runs, pushed, run from the registry; and what
//! else needs the tools of other languages. They are those of `scripts/setup.sh templates`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests; clippy sees helper functions as something else"
)]

mod heaps;
mod middleware;
mod shop;

use shoal_e2e::process::run_with;
use shoal_e2e::registry::Registry;
use shoal_e2e::{Up, binaries, get, within};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// A project of a template.
struct Project {
    folder: TempDir,
    variables: Vec<(&'static str, String)>,
}

impl Project {
    fn new(template: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache();
        let tools = cache.join("tools");
        let programs = format!(
            "{}:{}",
            tools.join("bin").display(),
            std::env::var("PATH").unwrap()
        );
        let home = PathBuf::from(std::env::var_os("HOME").unwrap());
        let set = |name: &str, default: PathBuf| {
            std::env::var(name).unwrap_or_else(|_| default.display().to_string())
        };
        let variables = vec![
            ("PATH", programs),
            // The tools' own caches, so that a crate is fetched and a library compiled once.
            ("HOME", home.display().to_string()),
            ("CARGO_HOME", set("CARGO_HOME", home.join(".cargo"))),
            ("RUSTUP_HOME", set("RUSTUP_HOME", home.join(".rustup"))),
            ("CARGO_TARGET_DIR", cache.join("templates").display().to_string()),
            ("VIRTUAL_ENV", tools.join("python").display().to_string()),
        ];
        let project = Self { folder, variables };
        project.shoal(&["new", project.path("").to_str().unwrap(), "--template", template]);
        if template == "javascript" {
            let packages = tools.join("javascript/node_modules");
            assert!(
                packages.is_dir(),
                "{} is missing: run `scripts/setup.sh templates`",
                packages.display()
            );
            std::os::unix::fs::symlink(packages, project.path("node_modules")).unwrap();
        }
        project
    }

    fn path(&self, file: &str) -> PathBuf {
        let folder = self.folder.path().join("app");
        if file.is_empty() {
            folder
        } else {
            folder.join(file)
        }
    }

    /// Runs `shoal`, which has to succeed; what it prints.
    fn shoal(&self, arguments: &[&str]) -> String {
        let variables: Vec<_> = self
            .variables
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let ended = run_with(arguments, b"", &variables, &binaries::cache());
        ended.succeeded().stdout.clone()
    }

    fn build(&self) {
        let said = self.shoal(&["build", self.path("shoal.yaml").to_str().unwrap()]);
        assert!(said.starts_with("app/"), "{said}");
        assert!(self.path("app.wasm").is_file());
        assert!(!self.path("app.wasm.new").exists(), "what is not whole is gone");
    }

    /// Replaces every `from` in a file.
    fn change(&self, file: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path(file)).unwrap();
        assert!(text.contains(from), "{from} is not in {file}: {text}");
        std::fs::write(self.path(file), text.replace(from, to)).unwrap();
    }

    fn push(&self, registry: &Registry) -> String {
        let reference = registry.reference("app:1");
        let file = self.path("app.wasm");
        self.shoal(&[
            "push",
            file.to_str().unwrap(),
            &reference,
            "--plain-http",
            &registry.name,
        ]);
        reference
    }
}

/// `SHOAL_DEV_CACHE`, as the scripts have it.
fn cache() -> PathBuf {
    let or = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let shoal = |it: PathBuf| it.join("shoal");
    or("SHOAL_DEV_CACHE")
        .or_else(|| or("XDG_CACHE_HOME").map(shoal))
        .unwrap_or_else(|| Path::new(&std::env::var_os("HOME").unwrap()).join(".cache/shoal"))
}

/// A service that greets: `answers` are those to the first two requests.
async fn service(template: &str, source: &str, answers: [&str; 2]) {
    let project = Project::new(template);
    project.build();
    let manifest = project.path("shoal.yaml");
    let shoal = Up::new().file(&manifest, 1).arg("--watch").start().await;
    for answer in answers {
        get(shoal.address(), "/Ada").await.is(200, answer);
    }

    project.change(source, "Hello", "Goodbye");
    project.build();
    within("the new code's answer", async {
        while !get(shoal.address(), "/Ada")
            .await
            .text()
            .starts_with("Goodbye Ada")
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    drop(shoal);

    let registry = Registry::start();
    let reference = project.push(&registry);
    project.change("shoal.yaml", "file: ./app.wasm", &format!("image: {reference}"));
    std::fs::remove_file(project.path("app.wasm")).unwrap();
    let plain = [OsString::from("--plain-http"), registry.name.clone().into()];
    let [option, host] = plain;
    let shoal = Up::new().file(&manifest, 1).arg(option).arg(host).start().await;
    let answer = answers[0].replace("Hello", "Goodbye");
    get(shoal.address(), "/Ada").await.is(200, &answer);
}

const VISITS: [&str; 2] = ["Hello Ada, this is visit 1.\n", "Hello Ada, this is visit 2.\n"];

#[tokio::test]
async fn rust() {
    service("rust", "src/lib.rs", VISITS).await;
}

#[tokio::test]
async fn rust_that_speaks_http() {
    service("rust-http", "src/lib.rs", ["Hello Ada, over HTTP.\n"; 2]).await;
}

#[tokio::test]
async fn javascript() {
    service("javascript", "app.js", VISITS).await;
}

#[tokio::test]
async fn python() {
    service("python", "app.py", VISITS).await;
}

#[tokio::test]
async fn c() {
    service("c", "service.c", VISITS).await;
}

#[tokio::test]
async fn go_runs_once() {
    let project = Project::new("go");
    project.build();
    let file = project.path("app.wasm");
    let file = file.to_str().unwrap();
    assert_eq!(project.shoal(&["run", file, "Ada"]), "Hello Ada, from Go.\n");
    assert_eq!(
        project.shoal(&["run", "--env", "GREETING=Hi", file, "Ada"]),
        "Hi Ada, from Go.\n"
    );

    project.change("main.go", "from Go", "from Go once more");
    project.build();
    assert_eq!(
        project.shoal(&["run", file, "Ada"]),
        "Hello Ada, from Go once more.\n"
    );
    let registry = Registry::start();
    let reference = project.push(&registry);
    let run = ["run", "--plain-http", &registry.name, &reference, "Ada"];
    assert_eq!(project.shoal(&run), "Hello Ada, from Go once more.\n");
}

#[test]
fn what_is_missing_is_named_and_how_to_install_it() {
    let project = Project::new("c");
    let manifest = project.path("shoal.yaml");
    let empty = project.folder.path().to_str().unwrap();
    let build = |file: &Path| {
        run_with(
            &["build", file.to_str().unwrap()],
            b"",
            &[("PATH", empty)],
            &binaries::cache(),
        )
    };
    build(&manifest).failed(
        1,
        &["app/web: wit-bindgen is missing", "cargo install wit-bindgen-cli"],
    );
    assert!(!project.path("app.wasm").exists());
    std::fs::remove_file(project.path("service.c")).unwrap();
    build(&manifest).failed(1, &["nothing makes", "app.wasm"]);
}
