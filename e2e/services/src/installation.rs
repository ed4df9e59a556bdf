//! The chart on the cluster: its images in the cluster's registry, its values, and the wait until each node has the runtime.

use crate::chart;
use crate::helm::{helm, kubectl};
use serde_json::{Value, json};
use shoal_pods::{cluster, until};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The release's name.
pub const RELEASE: &str = "shoal";
/// Its namespace.
pub const NAMESPACE: &str = "shoal-system";
/// The installer's.
pub const INSTALLER_NAMESPACE: &str = "shoal-node";
/// The label of nodes that have the runtime.
pub const RUNTIME: &str = "shoal.dev/runtime";

/// What was installed.
#[derive(Debug)]
pub struct Installation {
    /// The chart's values.
    pub values: Value,
    file: tempfile::NamedTempFile,
}

impl Installation {
    /// The file with the values.
    pub fn file(&self) -> &str {
        self.file.path().to_str().expect("a path in UTF-8")
    }

    /// Installs a chart, or upgrades to it.
    pub fn upgrade_to(&self, chart: &Path) {
        let chart = chart.to_str().expect("a path in UTF-8");
        let args = [
            "upgrade",
            "--install",
            RELEASE,
            chart,
            "-n",
            NAMESPACE,
            "-f",
            self.file(),
            "--wait",
            "--timeout",
            "4m",
        ];
        helm(&args);
    }
}

/// The chart of this checkout, installed when it is first asked for, on all nodes.
pub fn installed() -> &'static Installation {
    static INSTALLED: OnceLock<Installation> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let installation = prepare();
        // The namespace takes nothing but what keeps to `restricted`.
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
        });
        cluster()
            .kubectl
            .apply(&namespace)
            .unwrap_or_else(|error| panic!("{error:#}"));
        installation.upgrade_to(&chart::folder());
        on_all_nodes();
        installation
    })
}

/// Waits until each node has the runtime.
pub fn on_all_nodes() {
    until("all nodes have the runtime", || {
        let selector = format!("{RUNTIME}=true");
        let labelled = kubectl(&["get", "nodes", "-l", &selector, "-o", "name"]);
        match labelled.lines().count() == cluster().nodes.len() {
            true => Ok(()),
            false => Err(format!("only {labelled:?}; the installers say:\n{}", said())),
        }
    });
}

/// What the installers have said last; some may not have begun.
fn said() -> String {
    let component = "app.kubernetes.io/component=installer";
    let args = [
        "-n",
        INSTALLER_NAMESPACE,
        "logs",
        "-l",
        component,
        "--prefix",
        "--tail=20",
    ];
    cluster()
        .kubectl
        .run(&args)
        .unwrap_or_else(|error| format!("{error:#}"))
}

/// The images in the cluster's registry, and the values that name them by digest.
pub fn prepare() -> Installation {
    let registry = &cluster().registry;
    let restart = std::env::var("SHOAL_RESTART_COMMAND").unwrap_or_default();
    let digest = |name: &str| json!({"digest": push(name)});
    let values = json!({
        "image": {"registry": format!("{registry}/shoal")},
        "operator": {"image": digest("shoal-operator"), "insecureRegistries": [registry], "logFormat": "text"},
        "installer": {"image": digest("shoal-node"), "containerd": {"restartCommand": restart}},
        "tests": {"image": digest("shoal-check")},
    });
    let file = tempfile::NamedTempFile::with_suffix(".json").expect("a file");
    std::fs::write(file.path(), values.to_string()).expect("the values");
    Installation { values, file }
}

/// Where `scripts/images.sh` put the images.
fn images() -> PathBuf {
    let folder = std::env::var_os("SHOAL_IMAGES").expect("SHOAL_IMAGES names the folder with the images");
    PathBuf::from(folder)
}

/// Pushes an image of this checkout; its digest.
fn push(name: &str) -> String {
    let layout = images().join(name);
    assert!(
        layout.is_dir(),
        "{} is missing: run `make images`",
        layout.display()
    );
    let digests = tempfile::NamedTempFile::new().expect("a file");
    let output = Command::new("skopeo")
        .args(["copy", "--quiet", "--dest-tls-verify=false", "--digestfile"])
        .arg(digests.path())
        .arg(format!("oci:{}", layout.display()))
        .arg(format!(
            "docker://{}/shoal/{name}:{}",
            cluster().registry,
            env!("CARGO_PKG_VERSION")
        ))
        .output()
        .expect("skopeo");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    std::fs::read_to_string(digests.path())
        .expect("a digest")
        .trim()
        .to_owned()
}
