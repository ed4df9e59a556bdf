//! What the tests of the operator share: operators as processes, each with a way to the API server of its own that counts what it
//! writes, and manifests. What is proven stands in `tests/all`, a file for each subject.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a library for tests alone: what goes wrong here fails the test"
)]

pub mod manifest;
mod operator;
mod proxy;

pub use operator::Operator;
pub use proxy::{Moment, Proxy, Request};

use serde_json::Value;
use shoal_pods::{Space, cluster, until};
use std::path::Path;
use std::sync::Once;

/// Puts the CustomResourceDefinition of this checkout on the cluster, once.
pub fn crd() {
    static APPLIED: Once = Once::new();
    APPLIED.call_once(|| {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crds/wasmservices.shoal.dev.yaml");
        let file = file.to_str().expect("a path in UTF-8");
        let kubectl = &cluster().kubectl;
        let applied = kubectl.run(&["apply", "--server-side", "--force-conflicts", "-f", file]);
        applied.unwrap_or_else(|error| panic!("{error:#}"));
        // `kubectl wait` fails where there is no condition at all yet, as does a filter by JSONPath.
        until("the definition is served", || {
            let definition = kubectl.get(&["crd/wasmservices.shoal.dev"]);
            let definition = definition.unwrap_or_else(|error| panic!("{error:#}"));
            match condition(&definition, "Established") {
                Some(served) if served["status"] == "True" => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
    });
}

/// The condition of an object.
pub fn condition(object: &Value, type_: &str) -> Option<Value> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions.iter().find(|it| it["type"] == type_).cloned()
}

/// Waits until the service has that condition for its current generation: the condition.
pub fn condition_is(space: &Space, name: &str, type_: &str, status: &str) -> Value {
    space.until("wasmservice", name, |service| {
        let seen = service["status"]["observedGeneration"] == service["metadata"]["generation"];
        condition(service, type_).filter(|it| seen && it["status"] == status)
    })
}

/// Waits until the service is ready in its current generation.
pub fn ready(space: &Space, name: &str) {
    condition_is(space, name, "Ready", "True");
}
