//! Pods per second through kubelet: a deployment, from `apply` to the last pod that is ready. And deployments for `density`.

use super::{Place, Runtime};
use crate::figures::Figures;
use anyhow::ensure;
use serde_json::json;
use std::time::{Duration, Instant};

/// How often the deployment is looked at.
const PAUSE: Duration = Duration::from_millis(100);
/// The slowest that is waited for: a pod in two seconds, and a minute.
fn longest(pods: u32) -> Duration {
    Duration::from_secs(60 + u64::from(pods) * 2)
}

pub(crate) async fn run(
    place: &Place,
    runtime: &Runtime,
    pods: u32,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    // Whatever a first pod costs a node.
    start(place, runtime, 1).await?;
    let time = start(place, runtime, 1 + pods).await?;
    figures.set(
        format!("{}_pods_per_second", runtime.name()),
        f64::from(pods) / time.as_secs_f64(),
    );
    stop(place, runtime).await
}

/// Brings the runtime's deployment to this many pods on the node; how long it took until all were ready.
pub(crate) async fn start(place: &Place, runtime: &Runtime, pods: u32) -> anyhow::Result<Duration> {
    let name = format!("bench-{}", runtime.class);
    let mut container =
        json!({"name": "web", "image": runtime.image, "ports": [{"name": "http", "containerPort": 80}]});
    if !runtime.args.is_empty() {
        container["args"] = json!(runtime.args);
    }
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": pods,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "runtimeClassName": runtime.class, "nodeName": place.node.name,
                    "automountServiceAccountToken": false, "enableServiceLinks": false,
                    "terminationGracePeriodSeconds": 1,
                    "containers": [container],
                },
            },
        },
    });
    let began = Instant::now();
    place.cluster.kubectl.apply(&deployment)?;
    loop {
        let object = place
            .cluster
            .kubectl
            .get(&["-n", "default", "deployment", &name])?;
        if object["status"]["readyReplicas"].as_u64() == Some(pods.into()) {
            return Ok(began.elapsed());
        }
        ensure!(
            began.elapsed() < longest(pods),
            "{name}: only {} of {pods} pods are ready after {:?}",
            object["status"]["readyReplicas"],
            began.elapsed()
        );
        tokio::time::sleep(PAUSE).await;
    }
}

/// Removes the deployment and waits until its pods are gone.
pub(crate) async fn stop(place: &Place, runtime: &Runtime) -> anyhow::Result<()> {
    let name = format!("bench-{}", runtime.class);
    let kubectl = &place.cluster.kubectl;
    kubectl.run(&["-n", "default", "delete", "deployment", &name, "--wait=false"])?;
    let (selector, began) = (format!("app={name}"), Instant::now());
    loop {
        let pods = kubectl.get(&["-n", "default", "pods", "-l", &selector])?;
        let left = pods["items"].as_array().map_or(0, Vec::len);
        if left == 0 {
            return Ok(());
        }
        ensure!(began.elapsed() < longest(600), "{left} pods of {name} do not end");
        tokio::time::sleep(PAUSE * 5).await;
    }
}
