//! Objects to the API server, by server-side apply under a field manager of our own.

use crate::cluster::{Cluster, Deployed, explain};
use crate::failure::Failure;
use k8s_openapi::NamespaceResourceScope;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use shoal_api::labels;
use shoal_api::manifest::Document;
use std::fmt::Debug;

/// Applies a service; as the cluster has it then.
pub(super) async fn service(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
    object: &Value,
    force: bool,
) -> Result<Deployed, Failure> {
    let applied = cluster
        .services(namespace)
        .patch(name, &parameters(force), &Patch::Apply(object))
        .await;
    applied.map_err(|error| refused("WasmService", name, &error))
}

/// Applies a Secret or a ConfigMap.
pub(super) async fn shared(cluster: &Cluster, document: &Document, force: bool) -> Result<(), Failure> {
    match document {
        Document::Secret(secret) => object(cluster, "Secret", secret.as_ref(), force).await,
        Document::ConfigMap(map) => object(cluster, "ConfigMap", map.as_ref(), force).await,
        Document::Service(_) => Ok(()),
    }
}

async fn object<K>(cluster: &Cluster, kind: &str, object: &K, force: bool) -> Result<(), Failure>
where
    K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned,
{
    let name = object.meta().name.clone().unwrap_or_default();
    let value = serde_json::to_value(object).map_err(Failure::new)?;
    let namespace = cluster
        .namespace_of(&value)
        .map_err(|reason| Failure::Usage(format!("{kind} {name}: {reason}")))?;
    let api: Api<K> = Api::namespaced(cluster.client.clone(), &namespace);
    let applied = api.patch(&name, &parameters(force), &Patch::Apply(&value)).await;
    applied.map(drop).map_err(|error| refused(kind, &name, &error))
}

fn parameters(force: bool) -> PatchParams {
    let parameters = PatchParams::apply(labels::CLI);
    if force { parameters.force() } else { parameters }
}

fn refused(kind: &str, name: &str, error: &kube::Error) -> Failure {
    let mut text = format!("{kind} {name}: {}", explain(error));
    if matches!(error, kube::Error::Api(status) if status.code == 409) {
        text.push_str("\nto take these fields over: --force-conflicts");
    }
    Failure::Other(text)
}
