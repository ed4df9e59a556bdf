//! The pull secrets of a service's pods, as kubelet will use them: those that the spec names, else those of its ServiceAccount, which the
//! API server's admission adds to pods that name none.

use crate::error::{Error, code};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use shoal_api::WasmService;
use shoal_artifact::{Keyring, PullSecret};
use std::fmt::Debug;

/// The types of Secrets that kubelet reads, with the key that each is under.
const TYPES: [(&str, &str, PullSecret); 2] = [
    (
        "kubernetes.io/dockerconfigjson",
        ".dockerconfigjson",
        PullSecret::DockerConfigJson,
    ),
    ("kubernetes.io/dockercfg", ".dockercfg", PullSecret::DockerCfg),
];

/// The credentials of all pull secrets. Secrets that are missing or malformed are left out.
pub(crate) async fn keyring(client: &Client, service: &WasmService) -> Result<Keyring, Error> {
    let namespace = service.namespace().unwrap_or_default();
    let mut keyring = Keyring::default();
    for name in names(client, service).await? {
        let Some(secret) = get::<Secret>(client, &namespace, &name).await? else {
            continue;
        };
        let data = secret.data.unwrap_or_default();
        let held = TYPES.iter().find_map(|(type_, key, kind)| {
            let of_type = secret.type_.as_deref() == Some(*type_);
            Some((*kind, data.get(*key).filter(|_| of_type)?))
        });
        let Some((kind, json)) = held else {
            tracing::debug!(
                namespace,
                name,
                "not a pull secret: its type or its key is another one"
            );
            continue;
        };
        if let Err(error) = keyring.add(&format!("Secret {name}"), kind, &json.0) {
            tracing::warn!(namespace, name, "pull secret: {error}");
        }
    }
    Ok(keyring)
}

async fn names(client: &Client, service: &WasmService) -> Result<Vec<String>, Error> {
    let spec = &service.spec;
    if !spec.image_pull_secrets.is_empty() {
        return Ok(spec.image_pull_secrets.iter().map(|it| it.name.clone()).collect());
    }
    let namespace = service.namespace().unwrap_or_default();
    let account = spec.service_account_name.as_deref().unwrap_or("default");
    let account = get::<ServiceAccount>(client, &namespace, account).await?;
    let secrets = account.and_then(|it| it.image_pull_secrets);
    Ok(secrets
        .unwrap_or_default()
        .into_iter()
        .map(|it| it.name)
        .collect())
}

/// An object; kubelet goes on without one that is missing, too.
async fn get<K>(client: &Client, namespace: &str, name: &str) -> Result<Option<K>, Error>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    match api.get(name).await {
        Ok(object) => Ok(Some(object)),
        Err(error) if code(&error) == Some(404) => Ok(None),
        Err(error) => Err(Error::api(format!("{} {name}", K::kind(&())))(error)),
    }
}
