//! Components that are files, on their way into a registry: looked at first, so that what the cluster would refuse is not pushed.

use super::Image;
use crate::Global;
use crate::console::Console;
use crate::failure::Failure;
use crate::manifests::Entry;
use crate::push::{describe, interfaces};
use crate::registry::Registry;
use crate::setup;
use shoal_api::{Component, Problem};
use shoal_artifact::{Cache, Digest, PullPolicy, PushFormat, PushOptions, Reference, Source};
use shoal_description::Description;
use shoal_service::{Origin, Reason, admit};
use std::path::Path;
use std::sync::Arc;

/// Digits of the component's digest that make its tag: enough that two never meet.
const TAG_DIGITS: usize = 32;

/// Everything it takes to push.
pub(super) struct Publish<'a> {
    to: Option<String>,
    registry: Registry,
    global: &'a Global,
    console: &'a Console,
}

impl<'a> Publish<'a> {
    pub(super) fn new(
        to: Option<String>,
        registry: Registry,
        global: &'a Global,
        console: &'a Console,
    ) -> Self {
        Self {
            to,
            registry,
            global,
            console,
        }
    }

    /// Whether files have somewhere to go.
    pub(super) fn check(&self, services: &[Arc<Entry>]) -> Result<(), Failure> {
        if self.to.is_some() {
            return Ok(());
        }
        let of = |entry: &Arc<Entry>| {
            let components = entry.service.spec.components.iter().enumerate();
            let files = components.filter(|(_, it)| it.file.is_some());
            let problem = |(index, component): (usize, &Component)| Problem {
                source: Some(entry.file.clone()),
                field: format!("spec.components[{index}].file"),
                message: format!(
                    "is a file of this machine, {:?}, which a cluster can't read",
                    component.file.as_deref().unwrap_or_default()
                ),
                hint: Some("say where to push it, with --push-to REPOSITORY".to_owned()),
            };
            files.map(problem).collect::<Vec<_>>()
        };
        let problems: Vec<_> = services.iter().flat_map(of).collect();
        match problems.is_empty() {
            true => Ok(()),
            false => Err(Failure::Manifest(problems)),
        }
    }

    /// Pushes all files of all services; what was pushed, for each service.
    pub(super) async fn all(&self, services: &[Arc<Entry>]) -> Result<Vec<Vec<Image>>, Failure> {
        let Some(to) = &self.to else {
            return Ok(vec![Vec::new(); services.len()]);
        };
        let cache = setup::cache(self.global)?;
        let mut all = Vec::new();
        for entry in services {
            let mut images = Vec::new();
            for (index, component) in entry.service.spec.components.iter().enumerate() {
                if let Some(file) = &component.file {
                    images.push(self.one(&cache, to, entry, index, &entry.base.join(file)).await?);
                }
            }
            all.push(images);
        }
        Ok(all)
    }

    async fn one(
        &self,
        cache: &Cache,
        to: &str,
        entry: &Entry,
        index: usize,
        file: &Path,
    ) -> Result<Image, Failure> {
        let component = &entry.service.spec.components[index];
        let bar = self
            .console
            .bars
            .listener(&format!("{}/{}", entry.name(), component.name));
        let source = Source::File(file.to_owned());
        let artifact = cache
            .fetch(&source, &self.registry.fetch(PullPolicy::Always), &*bar)
            .await?;
        let description = describe(&artifact.path, self.console).await?;
        if let Some(description) = &description {
            self.admissible(entry, index, description)?;
        }
        let reference = reference(to, entry.name(), &component.name, &artifact.digest)?;
        let options = PushOptions {
            format: PushFormat::WasmImage,
            interfaces: description.map(interfaces),
            transport: self.registry.transport(),
            ..PushOptions::from_env()
        };
        let pushed = shoal_artifact::push(&artifact.path, &reference, &options, &*bar).await?;
        Ok(Image {
            name: component.name.clone(),
            image: pushed.reference,
            pushed: true,
        })
    }

    /// Fails where any Shoal would refuse the component; what only this version lacks is a warning.
    fn admissible(&self, entry: &Entry, index: usize, description: &Description) -> Result<(), Failure> {
        let component = &entry.service.spec.components[index];
        let imports = description.imports.iter().map(|it| it.name.as_str());
        let mut problems = Vec::new();
        let origin = Origin::Manifest(index);
        for denied in admit(imports, component, &origin).err().unwrap_or_default() {
            let problem = Problem {
                source: Some(entry.file.clone()),
                field: format!("spec.components[{index}]"),
                message: denied.to_string(),
                hint: None,
            };
            match denied.reason {
                Reason::NotGranted(_) | Reason::NoSuchInterface | Reason::NoSuchFunction => {
                    problems.push(problem);
                }
                Reason::OtherVersion { .. } | Reason::NotSupportedYet => {
                    self.console.warn(problem.to_string());
                }
            }
        }
        match problems.is_empty() {
            true => Ok(()),
            false => Err(Failure::Manifest(problems)),
        }
    }
}

/// A repository as typed, for clap: a prefix that names of components can follow.
pub(super) fn repository(text: &str) -> Result<String, String> {
    let prefix = text.trim_end_matches('/');
    let probe =
        shoal_artifact::parse_reference(&format!("{prefix}/x:1")).map_err(|error| error.to_string())?;
    // docker.io would be meant by a name without a registry, and nobody means it here.
    let registry = prefix.split('/').next().unwrap_or_default();
    match registry.contains(['.', ':']) || registry == "localhost" {
        true if probe.tag() == Some("1") => Ok(prefix.to_owned()),
        _ => Err("write a registry and a repository, such as registry.example/team".to_owned()),
    }
}

/// Where one component goes. The tag follows from the bytes, so that nothing that runs is ever pushed over.
fn reference(to: &str, service: &str, component: &str, digest: &Digest) -> Result<Reference, Failure> {
    let digest = digest.to_string();
    let digits = digest.rsplit(':').next().unwrap_or_default();
    let tag: String = digits.chars().take(TAG_DIGITS).collect();
    Ok(shoal_artifact::parse_reference(&format!(
        "{to}/{service}-{component}:{tag}"
    ))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_follows_from_the_bytes() {
        let digest = Digest::parse(&format!("sha256:{}", "ab".repeat(32))).unwrap();
        let reference = reference("registry.example/team", "greeter", "web", &digest).unwrap();
        assert_eq!(
            reference.whole(),
            format!("registry.example/team/greeter-web:{}", "ab".repeat(16))
        );
    }

    #[test]
    fn a_repository_names_its_registry() {
        for (text, meant) in [
            ("registry.example/team/", "registry.example/team"),
            ("localhost:5000", "localhost:5000"),
            ("localhost/x", "localhost/x"),
        ] {
            assert_eq!(repository(text).as_deref(), Ok(meant));
        }
        for text in [
            "team",
            "registry.example/team:1",
            "registry.example/UPPER",
            "",
            "/",
        ] {
            assert!(repository(text).is_err(), "{text}");
        }
    }
}
