//! `shoal-operator uninstall`: takes the shim off all nodes before the chart is removed. No pod of ours runs any more when a node's
//! configuration is changed back, and all of it is changed back when the installer's pods go.

use crate::nodes::label_node;
use crate::options::UninstallOptions;
use anyhow::{Context, bail};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{DeleteParams, EvictParams, ListParams, Patch, PatchParams};
use kube::{Api, Client, Config, ResourceExt};
use serde_json::json;
use shoal_api::labels;
use shoal_plan::nodes::{INSTALL, RUNTIME};
use std::time::Duration;
use tokio::time::{Instant, sleep};

const LOOK: Duration = Duration::from_secs(1);
/// How long the budgets of pods hold.
const BUDGETS: Duration = Duration::from_secs(20);

pub(crate) async fn run(options: &UninstallOptions) -> anyhow::Result<()> {
    let mut config = Config::infer().await.context("find the API server")?;
    // What a budget refuses is refused for as long as it says so, and only we know for how long to ask.
    config.default_retry = false;
    let client = Client::try_from(config).context("reach the API server")?;
    let done = async {
        silence(&client, options).await?;
        let nodes = offered(&client).await?;
        for node in &nodes {
            label_node(&client, node, RUNTIME, None)
                .await
                .with_context(|| format!("node {node}"))?;
        }
        drain(&client, &options.runtime_class).await?;
        remove(&client, options).await?;
        for node in nodes {
            label_node(&client, &node, INSTALL, None)
                .await
                .with_context(|| format!("node {node}"))?;
        }
        tracing::info!("the shim is off all nodes");
        Ok(())
    };
    match tokio::time::timeout(options.timeout, done).await {
        Ok(done) => done,
        Err(_) => bail!(
            "not done within {:?}; what is left is in the log above. Run it again, or raise --timeout",
            options.timeout
        ),
    }
}

/// Ends the operator, which would label the nodes again, and removes the lease that nobody else would.
async fn silence(client: &Client, options: &UninstallOptions) -> anyhow::Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &options.operator_namespace);
    let none = Patch::Merge(json!({"spec": {"replicas": 0}}));
    match deployments
        .patch_scale(&options.operator, &PatchParams::default(), &none)
        .await
    {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
        Err(error) => return Err(error).context("scale the operator down"),
    }
    loop {
        let deployment = deployments
            .get(&options.operator)
            .await
            .context("look at the operator")?;
        let status = deployment.status.unwrap_or_default();
        let seen = status.observed_generation >= deployment.metadata.generation;
        if seen && status.replicas.unwrap_or(0) == 0 && status.terminating_replicas.unwrap_or(0) == 0 {
            break;
        }
        sleep(LOOK).await;
    }
    let leases: Api<Lease> = Api::namespaced(client.clone(), &options.operator_namespace);
    match leases.delete(&options.operator, &DeleteParams::default()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error).context("remove the lease"),
    }
}

/// The nodes that the installer was put on.
async fn offered(client: &Client) -> anyhow::Result<Vec<String>> {
    let nodes: Api<Node> = Api::all(client.clone());
    let chosen = nodes
        .list_metadata(&ListParams::default().labels(&format!("{INSTALL}=true")))
        .await?;
    Ok(chosen.iter().map(ResourceExt::name_any).collect())
}

/// Evicts all pods of the runtime class (policy/v1 Eviction), and waits until they are gone. A budget counts on a replacement, and none
/// can run any more: the pods that it holds back for too long are deleted.
async fn drain(client: &Client, class: &str) -> anyhow::Result<()> {
    let pods: Api<Pod> = Api::all(client.clone());
    let (began, mut told) = (Instant::now(), Instant::now());
    loop {
        let all = pods.list(&ListParams::default()).await?;
        let running = all.items.into_iter().filter(|pod| {
            let spec = pod.spec.as_ref();
            // One that waits for a node holds nothing up.
            spec.and_then(|it| it.runtime_class_name.as_deref()) == Some(class)
                && spec.is_some_and(|it| it.node_name.is_some())
        });
        let running: Vec<_> = running.collect();
        if running.is_empty() {
            return Ok(());
        }
        let left = running
            .iter()
            .filter(|pod| pod.metadata.deletion_timestamp.is_none());
        for pod in left {
            send_away(client, pod, began.elapsed() > BUDGETS).await;
        }
        if told.elapsed() > 10 * LOOK {
            told = Instant::now();
            tracing::info!(
                pods = running.len(),
                "waiting for pods of runtime class {class} to go"
            );
        }
        sleep(LOOK).await;
    }
}

async fn send_away(client: &Client, pod: &Pod, for_sure: bool) {
    let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    let outcome = match pods.evict(&name, &EvictParams::default()).await {
        // 429: its budget does not allow it yet.
        Err(kube::Error::Api(status)) if status.code == 429 && for_sure => {
            tracing::warn!(namespace, name, "deleted, since its budget held it back");
            pods.delete(&name, &DeleteParams::default()).await.map(drop)
        }
        other => other.map(drop),
    };
    match outcome {
        Ok(()) => tracing::info!(namespace, name, "sent away"),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 429) => {}
        Err(error) => tracing::warn!(namespace, name, "cannot send away: {error}"),
    }
}

/// Tells the installer to remove what it installed, and waits until it has on each node.
async fn remove(client: &Client, options: &UninstallOptions) -> anyhow::Result<()> {
    let sets: Api<DaemonSet> = Api::namespaced(client.clone(), &options.installer_namespace);
    let Some(set) = sets.get_opt(&options.installer).await? else {
        tracing::info!("there is no DaemonSet {}: nothing to remove", options.installer);
        return Ok(());
    };
    let containers = set
        .spec
        .as_ref()
        .and_then(|it| it.template.spec.as_ref())
        .map(|it| &it.containers);
    let Some(container) = containers.and_then(|it| it.first()) else {
        bail!("DaemonSet {} has no container", options.installer);
    };
    let mut args = container.args.clone().unwrap_or_default();
    match args.first_mut() {
        Some(command) => *command = "remove".to_owned(),
        None => args.push("remove".to_owned()),
    }
    let patch = json!({"spec": {
        "template": {"spec": {"containers": [{"name": container.name, "args": args}]}},
        // Nothing runs there any more that one node at a time would spare.
        "updateStrategy": {"rollingUpdate": {"maxUnavailable": "100%"}},
    }});
    let params = PatchParams {
        field_manager: Some(labels::OPERATOR.to_owned()),
        ..PatchParams::default()
    };
    sets.patch(&options.installer, &params, &Patch::Strategic(&patch))
        .await?;
    loop {
        let set = sets.get(&options.installer).await?;
        let status = set.status.unwrap_or_default();
        let seen = status.observed_generation >= set.metadata.generation;
        let updated = status.updated_number_scheduled.unwrap_or(0);
        if seen
            && updated >= status.desired_number_scheduled
            && status.number_ready >= status.desired_number_scheduled
        {
            return Ok(());
        }
        sleep(LOOK).await;
    }
}
