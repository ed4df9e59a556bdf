//! Nodes get the installer, and then the runtime's label, a few at a time. In which order is decided in `shoal_plan::nodes`.

use crate::fence::Fence;
use crate::metrics::Metrics;
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Patch, PatchParams};
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use shoal_api::labels;
use shoal_plan::nodes::{INSTALL, RUNTIME, Step, steps};
use std::sync::Arc;
use std::time::Duration;

/// What happens within this time is looked at together.
const DEBOUNCE: Duration = Duration::from_millis(500);

pub(crate) struct Nodes {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) selector: String,
    pub(crate) max_unavailable: usize,
    pub(crate) fence: Arc<Fence>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Nodes {
    /// Goes on for ever.
    pub(crate) async fn run(self) {
        let (nodes, writer) = reflector::store();
        let all = Api::<Node>::all(self.client.clone());
        let seen_nodes = watcher(all, watcher::Config::default().labels(&self.selector))
            .default_backoff()
            .modify(|node| node.managed_fields_mut().clear())
            .reflect(writer)
            .touched_objects()
            .map(drop);
        let (pods, writer) = reflector::store();
        let installers = Api::<Pod>::namespaced(self.client.clone(), &self.namespace);
        let seen_pods = watcher(installers, watcher::Config::default())
            .default_backoff()
            .modify(|pod| pod.managed_fields_mut().clear())
            .reflect(writer)
            .touched_objects()
            .map(drop);
        let mut seen = stream::select(seen_nodes.boxed(), seen_pods.boxed()).ready_chunks(1024);
        while seen.next().await.is_some() {
            let _ = tokio::time::timeout(DEBOUNCE, async { while seen.next().await.is_some() {} }).await;
            let known = tokio::time::timeout(DEBOUNCE, async {
                tokio::join!(nodes.wait_until_ready(), pods.wait_until_ready())
            });
            if known.await.is_err() {
                continue;
            }
            for step in steps(&look(&nodes, &pods), self.max_unavailable) {
                if let Err(error) = self.take(&step).await {
                    tracing::warn!(?step, "{error:#}");
                }
            }
        }
    }

    async fn take(&self, step: &Step) -> anyhow::Result<()> {
        let (label, node) = match step {
            Step::Install(node) => (INSTALL, node),
            Step::Offer(node) => (RUNTIME, node),
        };
        self.fence.check()?;
        self.metrics.wrote("Node", "patch");
        tracing::info!(node, label, "labelling a node");
        label_node(&self.client, node, label, Some("true")).await?;
        Ok(())
    }
}

/// Sets a node's label, or takes it off.
pub(crate) async fn label_node(
    client: &Client,
    node: &str,
    label: &str,
    value: Option<&str>,
) -> kube::Result<()> {
    let nodes: Api<Node> = Api::all(client.clone());
    let params = PatchParams {
        field_manager: Some(labels::OPERATOR.to_owned()),
        ..PatchParams::default()
    };
    let patch = json!({"metadata": {"labels": {label: value}}});
    nodes
        .patch_metadata(node, &params, &Patch::Merge(&patch))
        .await
        .map(drop)
}

fn look(nodes: &Store<Node>, pods: &Store<Pod>) -> Vec<shoal_plan::nodes::Node> {
    let pods = pods.state();
    let seen = |node: Arc<Node>| {
        let name = node.name_any();
        let on_it = |pod: &&Arc<Pod>| pod.spec.as_ref().and_then(|it| it.node_name.as_ref()) == Some(&name);
        let there = pods
            .iter()
            .filter(on_it)
            .filter(|pod| pod.metadata.deletion_timestamp.is_none());
        let conditions = node.status.as_ref().and_then(|it| it.conditions.as_ref());
        let mut conditions = conditions.into_iter().flatten();
        shoal_plan::nodes::Node {
            ready: conditions.any(|it| it.type_ == "Ready" && it.status == "True"),
            install: node.labels().get(INSTALL).cloned(),
            runtime: node.labels().get(RUNTIME).cloned(),
            installer: there.map(|pod| is_ready(pod)).next(),
            name,
        }
    };
    nodes.state().into_iter().map(seen).collect()
}

/// Whether a pod is ready.
pub(crate) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|it| it.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .any(|it| it.type_ == "Ready" && it.status == "True")
}
