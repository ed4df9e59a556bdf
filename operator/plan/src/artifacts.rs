//! What the images of a service were resolved to.

use std::collections::BTreeMap;

use shoal_api::{ComponentStatus, WasmService};

use crate::images::{digest, resolved};
use crate::{Observed, Resolution};

/// Each component's image.
pub(crate) struct Artifacts(Vec<Artifact>);

struct Artifact {
    component: String,
    image: Option<String>,
    resolution: Option<Resolution>,
}

/// Looks at what was asked of registries just now, then at what the status remembers.
pub(crate) fn of(service: &WasmService, observed: &Observed) -> Artifacts {
    let known = service.status.as_ref().map_or(&[][..], |it| &it.components);
    let components = service.spec.components.iter().map(|component| {
        let resolution = component.image.as_deref().and_then(|image| {
            let named = digest(image).map(|it| Resolution::Digest(it.to_owned()));
            let asked = || observed.images.get(image).cloned();
            let remembered = || resolved(known, image).map(|it| Resolution::Digest(it.to_owned()));
            named.or_else(asked).or_else(remembered)
        });
        Artifact {
            component: component.name.clone(),
            image: component.image.clone(),
            resolution,
        }
    });
    Artifacts(components.collect())
}

impl Artifacts {
    /// The digest of each component, by its name; none unless all are known.
    pub(crate) fn digests(&self) -> Option<BTreeMap<String, String>> {
        let digest = |artifact: &Artifact| match &artifact.resolution {
            Some(Resolution::Digest(digest)) => Some((artifact.component.clone(), digest.clone())),
            _ => None,
        };
        self.0.iter().map(digest).collect()
    }

    /// Why some are not.
    pub(crate) fn failures(&self) -> Vec<String> {
        let failure = |artifact: &Artifact| match &artifact.resolution {
            Some(Resolution::Failed(reason)) => Some(format!("component {}: {reason}", artifact.component)),
            _ => None,
        };
        self.0.iter().filter_map(failure).collect()
    }

    /// For `status.components`.
    pub(crate) fn status(&self) -> Vec<ComponentStatus> {
        let status = |artifact: &Artifact| ComponentStatus {
            name: artifact.component.clone(),
            image: artifact.image.clone(),
            digest: match &artifact.resolution {
                Some(Resolution::Digest(digest)) => Some(digest.clone()),
                _ => None,
            },
        };
        self.0.iter().map(status).collect()
    }
}
