//! `kubectl`, as a process: light to build, and what users type. Which objects there are is the callers' business.

use std::ffi::OsStr;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use serde_json::Value;

/// How to reach a cluster's API.
#[derive(Clone, Debug)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    /// A program, and the file that says where the API is and who asks.
    pub fn new(program: impl Into<PathBuf>, kubeconfig: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            kubeconfig: kubeconfig.into(),
        }
    }

    /// The command with these arguments, for what the functions below don't do (`logs -f`).
    pub fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env("KUBECONFIG", &self.kubeconfig)
            .args(args)
            .stdin(Stdio::null());
        command
    }

    /// Runs it, and returns what it prints.
    ///
    /// # Errors
    ///
    /// What it said on stderr, where it fails.
    pub fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> anyhow::Result<String> {
        self.run_with(args, "")
    }

    /// Runs it with something on its stdin.
    ///
    /// # Errors
    ///
    /// What it said on stderr, where it fails.
    pub fn run_with<S: AsRef<OsStr>>(&self, args: &[S], input: &str) -> anyhow::Result<String> {
        let words: Vec<_> = args.iter().map(|arg| arg.as_ref().to_string_lossy()).collect();
        let what = format!("kubectl {}", words.join(" "));
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} can't be run", self.program.display()))?;
        let stdin = child.stdin.take();
        let output = std::thread::scope(|scope| {
            // It may end without having read all; then its status says why.
            scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input.as_bytes())));
            child.wait_with_output()
        })?;
        if !output.status.success() {
            bail!("{what}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        String::from_utf8(output.stdout).with_context(|| format!("{what}: not UTF-8"))
    }

    /// `get … -o json`.
    ///
    /// # Errors
    ///
    /// As [`Kubectl::run`].
    pub fn get(&self, args: &[&str]) -> anyhow::Result<Value> {
        let args = [&["get", "-o", "json"], args].concat();
        Ok(serde_json::from_str(&self.run(&args)?)?)
    }

    /// Applies one object, or a `List` of them.
    ///
    /// # Errors
    ///
    /// As [`Kubectl::run`].
    pub fn apply(&self, object: &Value) -> anyhow::Result<()> {
        let args = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        self.run_with(&args, &object.to_string()).map(drop)
    }
}
