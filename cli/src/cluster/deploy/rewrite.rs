//! The manifest as the cluster gets it: files are images by digest, all else is as it was written. Pure.

use super::Image;
use serde_json::Value;

/// The document with the images in place of the files that were pushed.
pub(super) fn rewritten(written: &Value, pushed: &[Image]) -> Value {
    let mut object = written.clone();
    // Written by the API server alone; a manifest saved from `kubectl get` has it.
    if let Some(map) = object.as_object_mut() {
        map.remove("status");
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for field in [
            "managedFields",
            "resourceVersion",
            "uid",
            "generation",
            "creationTimestamp",
        ] {
            metadata.remove(field);
        }
    }
    for component in components(&mut object) {
        let image = pushed.iter().find(|it| component["name"] == it.name.as_str());
        if let (Some(image), Some(map)) = (image, component.as_object_mut()) {
            map.remove("file");
            map.insert("image".to_owned(), image.image.as_str().into());
        }
    }
    object
}

/// Where each component comes from, in the manifest's order.
pub(super) fn images(rewritten: &Value, pushed: &[Image]) -> Vec<Image> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let components = rewritten["spec"]["components"].as_array();
    let image = |component: &Value| Image {
        name: text(&component["name"]),
        image: text(&component["image"]),
        pushed: pushed.iter().any(|it| component["name"] == it.name.as_str()),
    };
    components.into_iter().flatten().map(image).collect()
}

fn components(object: &mut Value) -> impl Iterator<Item = &mut Value> {
    let components = object
        .pointer_mut("/spec/components")
        .and_then(Value::as_array_mut);
    components.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pushed() -> Vec<Image> {
        vec![Image {
            name: "web".to_owned(),
            image: "registry.example/a-web@sha256:1".to_owned(),
            pushed: true,
        }]
    }

    #[test]
    fn a_file_becomes_its_image_and_the_rest_stays_as_it_was_written() {
        let written = json!({
            "apiVersion": "shoal.dev/v1alpha1", "kind": "WasmService", "metadata": {"name": "a", "labels": {"x": "y"}},
            "spec": {
                "components": [
                    {"name": "web", "file": "./web.wasm", "env": [{"name": "A", "value": "1"}]},
                    {"name": "auth", "image": "registry.example/auth:3", "imagePullPolicy": "Always"},
                ],
                "triggers": [{"name": "t", "component": "web", "http": {}}],
            },
        });
        let mut expected = written.clone();
        expected["spec"]["components"][0] = json!({
            "name": "web", "image": "registry.example/a-web@sha256:1", "env": [{"name": "A", "value": "1"}],
        });
        let object = rewritten(&written, &pushed());
        assert_eq!(object, expected);
        let all = images(&object, &pushed());
        assert_eq!(all[0], pushed()[0]);
        assert_eq!(
            (all[1].image.as_str(), all[1].pushed),
            ("registry.example/auth:3", false)
        );
    }

    #[test]
    fn what_the_api_server_writes_is_not_sent_back() {
        let saved = json!({
            "metadata": {
                "name": "a", "uid": "1", "resourceVersion": "7", "generation": 3, "creationTimestamp": "2026-01-01T00:00:00Z",
                "managedFields": [{}],
            },
            "spec": {"components": [{"name": "web", "image": "registry.example/web:1"}]},
            "status": {"url": "http://a"},
        });
        assert_eq!(
            rewritten(&saved, &[]),
            json!({
                "metadata": {"name": "a"},
                "spec": {"components": [{"name": "web", "image": "registry.example/web:1"}]},
            })
        );
    }
}
