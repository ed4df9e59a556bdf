//! Components of a service that are linked: composed into one, and compiled as one. Which of a service's components are made ready at
//! all is decided here too; how they are composed, in `compose`.

use crate::machine::Ready;
use crate::{Host, ServiceError};
use shoal_admission::Interface;
use shoal_api::{Component, WasmServiceSpec};
use shoal_artifact::{Artifact, Progress};
use shoal_compose::{ComposeError, Link, Part};
use std::fmt::Write as _;

/// A service's components, and their artifacts in the same order.
pub(crate) struct Members<'a> {
    pub(crate) components: &'a [Component],
    pub(crate) artifacts: &'a [Artifact],
}

/// Whether the component at `index` is made ready by itself: a trigger calls it, another service may (`linkable`), or no other component
/// of the service has it in itself.
pub(crate) fn is_root(spec: &WasmServiceSpec, index: usize, linkable: bool) -> bool {
    let Some(component) = spec.components.get(index) else {
        return false;
    };
    let name = component.name.as_str();
    let called = spec.triggers.iter().any(|trigger| trigger.component == name);
    let mut links = spec.components.iter().flat_map(|it| &it.links);
    linkable || called || !links.any(|link| link.component.as_deref() == Some(name))
}

impl Host {
    /// The component at `root`, compiled together with those that it is linked to. Returns which those are, in the order of their
    /// places, itself first.
    pub(crate) async fn assemble(
        &self,
        members: &Members<'_>,
        root: usize,
        progress: &dyn Progress,
    ) -> Result<(Ready, Vec<usize>), ServiceError> {
        let (Some(component), Some(artifact)) = (members.components.get(root), members.artifacts.get(root))
        else {
            return Err(ServiceError::Manifest(Vec::new()));
        };
        let failed = |source| ServiceError::Artifact {
            component: component.name.clone(),
            source,
        };
        let links: Vec<Vec<Link>> = members.components.iter().map(links).collect();
        if links.get(root).is_none_or(Vec::is_empty) {
            let ready = self.compile(artifact, progress).await.map_err(failed)?;
            return Ok((ready, vec![root]));
        }
        let parts: Vec<Part<'_>> = members
            .components
            .iter()
            .zip(&links)
            .map(|(component, links)| Part {
                name: &component.name,
                wasm: &[],
                links,
            })
            .collect();
        let order = shoal_compose::order(&component.name, &parts)?;
        let bytes: u64 = order
            .iter()
            .filter_map(|at| members.artifacts.get(*at))
            .map(|it| it.size)
            .sum();
        if bytes > shoal_compose::MAX_BYTES as u64 {
            return Err(ComposeError::TooLarge {
                root: component.name.clone(),
                bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
            }
            .into());
        }
        let chosen: Vec<Chosen> = order
            .iter()
            .filter_map(|at| {
                Some(Chosen {
                    name: members.components.get(*at)?.name.clone(),
                    artifact: members.artifacts.get(*at)?.clone(),
                    links: links.get(*at)?.clone(),
                })
            })
            .collect();
        let key = key(&chosen);
        let made = self
            .cache
            .derived(&key, move || compose(&chosen))
            .await
            .map_err(failed)?;
        let ready = self.compile(&made?, progress).await.map_err(failed)?;
        Ok((ready, order))
    }
}

/// The links of a component within its service.
fn links(component: &Component) -> Vec<Link> {
    component
        .links
        .iter()
        .filter_map(|link| {
            Some(Link {
                import: link.import.clone(),
                part: link.component.clone()?,
            })
        })
        .collect()
}

/// A part of what is composed.
struct Chosen {
    name: String,
    artifact: Artifact,
    links: Vec<Link>,
}

/// All that a composition depends on.
fn key(chosen: &[Chosen]) -> String {
    let mut key = format!("compose {}", shoal_compose::VERSION);
    for Chosen {
        name,
        artifact,
        links,
    } in chosen
    {
        // Names are labels and interfaces, which hold neither spaces nor brackets. Writing to a string does not fail.
        let _ = write!(key, " {name}={}", artifact.digest);
        for Link { import, part } in links {
            let _ = write!(key, "[{import}>{part}]");
        }
    }
    key
}

fn compose(chosen: &[Chosen]) -> Result<Vec<u8>, ComposeError> {
    let mut bytes = Vec::new();
    for part in chosen {
        let read = std::fs::read(&part.artifact.path).map_err(|error| ComposeError::Invalid {
            part: part.name.clone(),
            reason: format!("{}: {error}", part.artifact.path.display()),
        });
        bytes.push(read?);
    }
    let parts: Vec<Part<'_>> = chosen
        .iter()
        .zip(&bytes)
        .map(|(part, wasm)| Part {
            name: &part.name,
            wasm,
            links: &part.links,
        })
        .collect();
    let Some(root) = chosen.first() else {
        return Ok(Vec::new());
    };
    let shared = |name: &str| Interface::of(name).is_ok_and(Interface::is_shareable);
    Ok(shoal_compose::compose(&root.name, &parts, &shared)?.wasm)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(yaml: serde_json::Value) -> WasmServiceSpec {
        serde_json::from_value(yaml).expect("a spec")
    }

    #[test]
    fn what_others_have_in_themselves_is_not_made_ready_twice() {
        let spec = spec(serde_json::json!({
            "components": [
                {"name": "web", "image": "w", "links": [{"import": "a:b/c", "component": "lib"}]},
                {"name": "lib", "image": "l", "links": [{"import": "a:b/d", "service": "other"}]},
                {"name": "alone", "image": "a"},
                {"name": "both", "image": "b"},
            ],
            "triggers": [{"name": "t", "component": "web", "http": {"path": "/"}}],
        }));
        let roots = |linkable| -> Vec<usize> { (0..5).filter(|at| is_root(&spec, *at, linkable)).collect() };
        assert_eq!(roots(false), [0, 2, 3]);
        assert_eq!(roots(true), [0, 1, 2, 3]);
    }
}
