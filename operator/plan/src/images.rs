//! Which images a registry has to be asked for, and how an image is written once its digest is known.

use shoal_api::{ComponentStatus, ImagePullPolicy, WasmService};

/// The images of the spec whose digests are not known yet. A tag is looked up once for a generation of the spec, so that a pod that
/// starts later runs what the others run; with `imagePullPolicy: Always`, or the tag `latest`, each generation looks again.
pub fn wanted(service: &WasmService) -> Vec<String> {
    let status = service.status.as_ref();
    let seen = status.and_then(|it| it.observed_generation);
    let same_generation = seen.is_some() && seen == service.metadata.generation;
    let known = status.map_or(&[][..], |it| &it.components);
    let mut wanted = Vec::new();
    for component in &service.spec.components {
        let Some(image) = &component.image else { continue };
        let keeps = same_generation || !always(image, component.image_pull_policy);
        if digest(image).is_none() && !(keeps && resolved(known, image).is_some()) && !wanted.contains(image)
        {
            wanted.push(image.clone());
        }
    }
    wanted
}

/// The digest that the status says of an image.
pub(crate) fn resolved<'a>(known: &'a [ComponentStatus], image: &str) -> Option<&'a str> {
    let known = known.iter().find(|it| it.image.as_deref() == Some(image))?;
    known.digest.as_deref()
}

/// The digest that a reference names itself.
pub(crate) fn digest(image: &str) -> Option<&str> {
    image.split_once('@').map(|(_, digest)| digest)
}

/// An image by its digest: `registry.example/web:1` → `registry.example/web@sha256:…`.
pub(crate) fn pinned(image: &str, digest: &str) -> String {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    let repository = match name.rsplit_once(':') {
        // A colon before a slash is a registry's port.
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    };
    format!("{repository}@{digest}")
}

fn always(image: &str, policy: Option<ImagePullPolicy>) -> bool {
    match policy {
        Some(policy) => policy == ImagePullPolicy::Always,
        // As kubelet has it.
        None => pinned(image, "") == format!("{image}@") || image.ends_with(":latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_gives_way_to_the_digest_and_a_port_does_not() {
        for image in [
            "r.example:5000/a/web:1",
            "r.example:5000/a/web",
            "r.example:5000/a/web:1@sha256:00",
        ] {
            assert_eq!(
                pinned(image, "sha256:ff"),
                "r.example:5000/a/web@sha256:ff",
                "{image}"
            );
        }
        assert_eq!(pinned("web", "sha256:ff"), "web@sha256:ff");
    }

    #[test]
    fn latest_is_what_kubelet_takes_for_it() {
        assert!(always("r.example:5000/web", None));
        assert!(always("web:latest", None));
        assert!(!always("r.example:5000/web:1", None));
        assert!(always("web:1", Some(ImagePullPolicy::Always)));
        assert!(!always("web", Some(ImagePullPolicy::IfNotPresent)));
    }
}
