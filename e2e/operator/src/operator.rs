//! An operator as a process, for one namespace.

use crate::Proxy;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use shoal_pods::cluster;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// An operator at work. Killed when dropped.
pub struct Operator {
    /// How it reaches the API server.
    pub proxy: Proxy,
    identity: String,
    folder: TempDir,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl Operator {
    /// Starts one that looks after the namespaces, and shares its lease with all others that were started with the first of them.
    pub fn start(identity: &str, namespaces: &[&str]) -> Self {
        crate::crd();
        let proxy = Proxy::start();
        let folder = tempfile::tempdir().expect("a folder");
        let registry = &cluster().registry;
        let arguments = [
            "run",
            "--watch-namespaces",
            &namespaces.join(","),
            "--lease-namespace",
            namespaces[0],
            "--identity",
            identity,
            "--metrics-address",
            "127.0.0.1:0",
            "--health-address",
            "127.0.0.1:0",
            "--insecure-registry",
            registry,
            "--log-format",
            "text",
        ];
        let mut operator = Self {
            proxy,
            identity: identity.to_owned(),
            folder,
            arguments: arguments.map(str::to_owned).into(),
            child: None,
        };
        operator.go();
        operator
    }

    /// Starts it again after it ended.
    pub fn go(&mut self) {
        self.kill();
        let kubeconfig = self.folder.path().join("kubeconfig");
        let content = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "proxy",
            "clusters": [{"name": "proxy", "cluster": {"server": format!("http://{}", self.proxy.address)}}],
            "users": [{"name": "proxy", "user": {}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
        });
        std::fs::write(&kubeconfig, content.to_string()).expect("a kubeconfig");
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_path())
            .expect("a log");
        let child = Command::new(program())
            .args(&self.arguments)
            .env("KUBECONFIG", kubeconfig)
            .env("RUST_LOG", "info,shoal_controller=debug,kube=warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("shoal-operator: build it");
        self.proxy.victim(child.id());
        self.child = Some(child);
    }

    /// What it logged, of all its lives.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Its memory that nobody else has, in KiB.
    pub fn memory(&self) -> u64 {
        let child = self.child.as_ref().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("it runs");
        let line = status
            .lines()
            .find(|line| line.starts_with("RssAnon:"))
            .expect("RssAnon");
        line.split_ascii_whitespace()
            .nth(1)
            .and_then(|it| it.parse().ok())
            .expect("a number")
    }

    /// SIGKILL, wherever it is.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child
            .as_mut()
            .is_none_or(|child| child.try_wait().is_ok_and(|ended| ended.is_some()))
    }

    /// SIGTERM; returns once it has ended, whether well.
    pub fn terminate(&mut self) -> bool {
        self.signal(Signal::TERM);
        let mut child = self.child.take().expect("it runs");
        child.wait().expect("wait").success()
    }

    /// SIGSTOP.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let id = self.child.as_ref().expect("it runs").id();
        let pid = i32::try_from(id)
            .ok()
            .and_then(Pid::from_raw)
            .expect("a process id");
        kill_process(pid, signal).expect("kill(2)");
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // SIGKILL ends one that is stopped, too.
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- log of operator {}\n{}", self.identity, self.log());
        }
    }
}

/// Beside the test's own program.
fn program() -> PathBuf {
    let this = std::env::current_exe().expect("this program");
    let folder = this.ancestors().find(|it| it.join("shoal-operator").is_file());
    folder.unwrap_or(Path::new("")).join("shoal-operator")
}
