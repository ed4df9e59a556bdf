//! Components of a service that are linked: composed into one, and compiled as one. Which of a service's components are made ready at
//! all is decided here too; how they are composed, in `compose`.

use crate::assembly::admissible::{admit, callable};
use crate::{Host, ServiceError};
use shoal_api::{Component, Trigger, WasmServiceSpec};
use shoal_artifact::{Artifact, ArtifactError, Member};

/// A service's components, and their artifacts in the same order.
pub(crate) struct Members<'a> {
    pub(crate) components: &'a [Component],
    pub(crate) artifacts: &'a [Artifact],
}

/// A component that may run, with all that is in it.
pub(crate) struct Whole {
    pub(crate) artifact: Artifact,
    /// The components that are in it, in the order of their places, itself first.
    pub(crate) places: Vec<usize>,
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
    /// The component at `root`, in one with those that it is linked to, if it may run. Nothing is compiled for that.
    ///
    /// # Errors
    ///
    /// Where the components don't fit together, and where one of them imports what it may not have or exports nothing that its triggers
    /// call.
    pub(crate) async fn assemble(
        &self,
        members: &Members<'_>,
        root: usize,
        triggers: &[Trigger],
    ) -> Result<Whole, ServiceError> {
        let Some(component) = members.components.get(root) else {
            return Err(ServiceError::Manifest(Vec::new()));
        };
        let failed = |source| ServiceError::Artifact {
            component: component.name.clone(),
            source,
        };
        let all: Vec<_> = members
            .components
            .iter()
            .zip(members.artifacts)
            .map(|(component, artifact)| Member { component, artifact })
            .collect();
        let whole = self.composed(root, &all).await.map_err(|error| match error {
            ArtifactError::Unfit { reason } => ServiceError::Unfit { reason },
            error => failed(error),
        })?;
        let description = self.described(&whole.artifact).await.map_err(failed)?;
        let places = whole.places.iter();
        let parts: Vec<_> = places
            .filter_map(|at| Some((*at, members.components.get(*at)?)))
            .collect();
        admit(&parts, &description)?;
        callable(&component.name, &description, triggers)?;
        Ok(Whole {
            artifact: whole.artifact,
            places: whole.places,
        })
    }
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
