//! Helm, as a process. What is installed stands in `installation`.

use shoal_pods::cluster;
use std::process::Command;

/// Runs Helm on the cluster; what it prints. Fails where it fails.
pub fn helm(args: &[&str]) -> String {
    try_helm(args).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs Helm on the cluster.
///
/// # Errors
///
/// What it says.
pub fn try_helm(args: &[&str]) -> Result<String, String> {
    let kubeconfig = std::env::var_os("KUBECONFIG").expect("KUBECONFIG");
    let output = Command::new("helm")
        .args(args)
        .env("KUBECONFIG", kubeconfig)
        .output()
        .map_err(|error| format!("helm can't be run: {error}; `shoal-cluster build helm` builds it"))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.success() {
        true => Ok(stdout),
        false => Err(format!(
            "helm {}: {}\n{stdout}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

/// Runs kubectl on the cluster; fails where it fails.
pub fn kubectl(args: &[&str]) -> String {
    cluster()
        .kubectl
        .run(args)
        .unwrap_or_else(|error| panic!("{error:#}"))
}
