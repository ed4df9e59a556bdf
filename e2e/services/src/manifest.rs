//! WasmServices, as short as a test wants to say them.

use serde_json::{Value, json};

/// A service of one component that answers all paths.
pub fn service(name: &str, image: &str) -> Value {
    json!({
        "apiVersion": "shoal.dev/v1alpha1", "kind": "WasmService",
        "metadata": {"name": name},
        "spec": {
            "components": [{"name": "web", "image": image}],
            "triggers": [{"name": "web", "component": "web", "http": {}}],
        },
    })
}
