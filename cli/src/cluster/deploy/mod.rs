//! `shoal deploy`: manifests onto a cluster. Files go to a registry first (`publish`), then the objects to the API server
//! (`apply`), then it waits until the services are ready (`wait`).

mod apply;
mod publish;
mod rewrite;
mod wait;

use super::{Target, explain};
use crate::console::Console;
use crate::failure::Failure;
use crate::manifests;
use crate::registry::Registry;
use crate::{Global, Outcome};
use clap::Args;
use futures::future::join_all;
use publish::Publish;
use serde::Serialize;
use shoal_api::Duration;
use std::path::PathBuf;
use wait::NotReady;

/// Bring services onto a cluster: push their files, apply their manifests, wait until they are ready
///
/// Components that are files are pushed to REPOSITORY/SERVICE-COMPONENT as images, and the cluster gets their digests: the manifest
/// of the laptop is that of the cluster. Secrets and ConfigMaps of the manifests are applied too. Fields that the manifest does not
/// name stay as others set them.
#[derive(Args, Debug)]
pub(crate) struct Deploy {
    /// Manifests; a folder stands for all .yaml files in it, - for standard input. May be repeated
    #[arg(
        short = 'f',
        long = "file",
        value_name = "MANIFEST",
        default_value = "shoal.yaml"
    )]
    manifests: Vec<PathBuf>,
    /// Where components that are files are pushed to, as registry.example/team
    #[arg(long, value_name = "REPOSITORY", value_parser = publish::repository)]
    push_to: Option<String>,
    /// Wait until the services are ready, which is the default
    #[arg(long, overrides_with = "no_wait")]
    wait: bool,
    /// Return once the cluster has taken the manifests
    #[arg(long, overrides_with = "wait")]
    no_wait: bool,
    /// How long to wait for each service
    #[arg(long, value_name = "DURATION", default_value = "2m")]
    timeout: Duration,
    /// Take over fields that somebody else set
    #[arg(long)]
    force_conflicts: bool,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    registry: Registry,
}

/// A service that is on the cluster.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Placed {
    name: String,
    namespace: String,
    generation: i64,
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
    components: Vec<Image>,
}

/// Where a component comes from on the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Image {
    name: String,
    image: String,
    /// Whether this command pushed it.
    pushed: bool,
}

pub(crate) async fn deploy(options: Deploy, global: &Global, console: &Console) -> Outcome {
    let Deploy {
        manifests: paths,
        push_to,
        wait: _,
        no_wait,
        timeout,
        force_conflicts,
        target,
        registry,
    } = options;
    let files = manifests::expand(&paths).map_err(|problem| Failure::Manifest(vec![problem]))?;
    let texts: Vec<_> = files.iter().map(|path| manifests::read(path)).collect();
    let found = manifests::parse(&texts).map_err(Failure::Manifest)?;
    if found.services.is_empty() {
        return Err(Failure::Usage("the manifests hold no WasmService".to_owned()));
    }
    for warning in found.services.iter().flat_map(|entry| entry.unsupported()) {
        console.warn(warning.to_string());
    }
    for advice in found.services.iter().flat_map(|entry| entry.advice()) {
        console.warn(advice.to_string());
    }
    let publish = Publish::new(push_to, registry, global, console);
    publish.check(&found.services)?;
    let cluster = target.connect().await?;
    // What is wrong with the cluster is told before minutes of pushing, not after.
    let mut spaces = Vec::new();
    for entry in &found.services {
        let space = cluster
            .namespace_of(&entry.written)
            .map_err(|reason| Failure::Usage(format!("{}: {}: {reason}", entry.file, entry.name())))?;
        let known = cluster.services(&space).get_opt(entry.name()).await;
        known.map_err(|error| Failure::Other(explain(&error)))?;
        spaces.push(space);
    }
    let images = publish.all(&found.services).await?;
    for document in &found.shared {
        apply::shared(&cluster, document, force_conflicts).await?;
    }
    let mut placed = Vec::new();
    for ((entry, namespace), images) in found.services.iter().zip(spaces).zip(images) {
        let object = rewrite::rewritten(&entry.written, &images);
        let applied = apply::service(&cluster, &namespace, entry.name(), &object, force_conflicts).await?;
        placed.push(Placed {
            name: entry.name().to_owned(),
            namespace,
            generation: applied.metadata.generation.unwrap_or_default(),
            ready: false,
            url: None,
            revision: None,
            components: rewrite::images(&object, &images),
        });
    }
    if !no_wait {
        let waits = placed
            .iter_mut()
            .map(|it| wait::ready(&cluster, it, timeout, console));
        let failed: Vec<NotReady> = join_all(waits)
            .await
            .into_iter()
            .filter_map(Result::err)
            .collect();
        if !failed.is_empty() {
            return Err(wait::failure(&failed));
        }
    }
    console.result(&serde_json::json!({ "services": &placed }), || {
        text(&placed, no_wait)
    })
}

fn text(placed: &[Placed], no_wait: bool) -> String {
    let mut out = String::new();
    for service in placed {
        let state = match (&service.url, no_wait) {
            (_, true) => "applied",
            (Some(url), false) => url,
            (None, false) => "ready",
        };
        out.push_str(&format!("{}  {state}\n", service.name));
        for Image { name, image, .. } in service.components.iter().filter(|it| it.pushed) {
            out.push_str(&format!("    {name}  {image}\n"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_is_what_a_person_sees_first() {
        let image = |name: &str, pushed| Image {
            name: name.to_owned(),
            image: format!("registry.example/a-{name}@sha256:0"),
            pushed,
        };
        let mut service = Placed {
            name: "a".to_owned(),
            namespace: "default".to_owned(),
            generation: 2,
            ready: true,
            url: Some("http://a.default.svc".to_owned()),
            revision: None,
            components: vec![image("web", true), image("auth", false)],
        };
        let pushed = "    web  registry.example/a-web@sha256:0\n";
        assert_eq!(
            text(&[service.clone()], false),
            format!("a  http://a.default.svc\n{pushed}")
        );
        service.url = None;
        assert_eq!(text(&[service.clone()], false), format!("a  ready\n{pushed}"));
        assert_eq!(text(&[service], true), format!("a  applied\n{pushed}"));
    }
}
