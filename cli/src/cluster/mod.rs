//! The commands that talk to a cluster: where it is, how to reach it, and what its refusals mean. What each command does is in
//! the files below.

pub(crate) mod deploy;
pub(crate) mod logs;
pub(crate) mod status;
mod table;
mod trouble;

use crate::failure::Failure;
use clap::Args;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, Object};
use kube::runtime::watcher;
use kube::{Api, Client, Config};
use serde_json::Value;
use shoal_api::{WasmService, WasmServiceStatus};
use std::path::PathBuf;

/// Which cluster, and where in it.
#[derive(Args, Debug)]
pub(crate) struct Target {
    /// The namespace [default: the manifest's, else the context's]
    #[arg(short, long, value_name = "NAME", help_heading = "Cluster")]
    namespace: Option<String>,
    /// The context of the kubeconfig [default: the current one]
    #[arg(long, value_name = "NAME", help_heading = "Cluster")]
    context: Option<String>,
    /// The kubeconfig [default: $KUBECONFIG, else ~/.kube/config, else a pod's own account]
    #[arg(long, value_name = "FILE", help_heading = "Cluster")]
    kubeconfig: Option<PathBuf>,
}

/// A cluster that can be asked.
pub(crate) struct Cluster {
    pub(crate) client: Client,
    /// The namespace that was asked for.
    asked: Option<String>,
}

/// A service as the cluster has it. The spec is not looked into: its types may be of another version than ours.
pub(crate) type Deployed = Object<Value, WasmServiceStatus>;

impl Target {
    pub(crate) async fn connect(self) -> Result<Cluster, Failure> {
        let Self {
            namespace: asked,
            context,
            kubeconfig,
        } = self;
        let file = kubeconfig.as_ref().map(|it| it.display().to_string());
        let options = KubeConfigOptions {
            context,
            ..KubeConfigOptions::default()
        };
        let config = match kubeconfig {
            Some(path) => match Kubeconfig::read_from(path) {
                Ok(file) => Config::from_custom_kubeconfig(file, &options).await,
                Err(error) => Err(error),
            }
            .map_err(|error| chain(&error)),
            None if options.context.is_some() => Config::from_kubeconfig(&options)
                .await
                .map_err(|error| chain(&error)),
            None => Config::infer().await.map_err(|error| chain(&error)),
        };
        let config = config.map_err(|reason| {
            let file = file.map(|it| format!("{it}: ")).unwrap_or_default();
            Failure::Other(format!(
                "no cluster to talk to: {file}{reason}\nname one with --kubeconfig, --context or KUBECONFIG"
            ))
        })?;
        let client = Client::try_from(config).map_err(|error| Failure::Other(explain(&error)))?;
        Ok(Cluster { client, asked })
    }
}

impl Cluster {
    /// The namespace that was asked for, or the context's.
    pub(crate) fn namespace(&self) -> &str {
        self.asked
            .as_deref()
            .unwrap_or_else(|| self.client.default_namespace())
    }

    /// The namespace of an object that may name one itself.
    pub(crate) fn namespace_of(&self, object: &Value) -> Result<String, String> {
        let own = object["metadata"]["namespace"].as_str();
        match (own, &self.asked) {
            (Some(own), Some(asked)) if own != asked => Err(format!(
                "metadata.namespace is {own:?}, and --namespace says {asked:?}: remove one of the two"
            )),
            (Some(own), _) => Ok(own.to_owned()),
            (None, _) => Ok(self.namespace().to_owned()),
        }
    }

    /// The services of a namespace.
    pub(crate) fn services(&self, namespace: &str) -> Api<Deployed> {
        Api::namespaced_with(self.client.clone(), namespace, &kind())
    }

    /// The services of all namespaces.
    pub(crate) fn all_services(&self) -> Api<Deployed> {
        Api::all_with(self.client.clone(), &kind())
    }
}

fn kind() -> ApiResource {
    ApiResource::erase::<WasmService>(&())
}

/// What an error of the cluster means to whoever typed the command.
pub(crate) fn explain(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.code == 404 && is_bare_404(&status.message) => {
            "the cluster does not know WasmService: install Shoal's chart with helm".to_owned()
        }
        kube::Error::Api(status) if status.code == 401 => format!(
            "the cluster does not know who you are ({}): log in again, or look at the kubeconfig's user",
            status.message.trim()
        ),
        kube::Error::Api(status) => status.message.trim().to_owned(),
        other => format!("the cluster can't be asked: {}", chain(other)),
    }
}

/// What no repetition of a watch mends.
pub(crate) fn fatal(error: &watcher::Error) -> Option<String> {
    match error {
        watcher::Error::InitialListFailed(error @ kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(error @ kube::Error::Api(status))
            if matches!(status.code, 401 | 403 | 404) =>
        {
            Some(explain(error))
        }
        _ => None,
    }
}

/// What the API server says of a resource that it has never heard of; of an object it would say which.
fn is_bare_404(message: &str) -> bool {
    message.contains("page not found") || message.contains("could not find the requested resource")
}

/// An error with its causes, each said once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(&format!(": {said}"));
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    #[test]
    fn a_cluster_without_shoal_is_told_from_a_service_that_is_not_there() {
        let said = |message: &str| {
            explain(&kube::Error::Api(Box::new(
                Status::failure(message, "NotFound").with_code(404),
            )))
        };
        assert!(said("404 page not found\n").contains("install Shoal"));
        let missing = "wasmservices.shoal.dev \"greeter\" not found";
        assert_eq!(said(missing), missing);
    }
}
