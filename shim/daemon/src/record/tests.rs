//! Records of every released version are read, by this version and by the one before.

use super::*;
use crate::records::Written;
use schemars::{JsonSchema, schema_for};
use serde::de::DeserializeOwned;
use serde_json::json;
use shoal_golden::Golden;

fn check<T: Serialize + DeserializeOwned + JsonSchema>(kind: &str, files: &[&str]) -> Vec<T> {
    let golden = Golden::new(env!("CARGO_MANIFEST_DIR"), 2);
    golden.shape(&format!("{kind}.schema.json"), schema_for!(Written<T>).as_value());
    let read = files.iter().flat_map(|file| {
        golden.current::<Written<T>>(file);
        golden.readable_before(file);
        golden.read_all::<Written<T>>(file)
    });
    read.map(|written| written.record).collect()
}

#[test]
fn pods() {
    let pods = check::<Sandbox>("sandbox", &["sandbox.json"]);
    assert!(pods.iter().all(|it| it.name == "web-0" && it.stopped.is_some()));
}

#[test]
fn containers() {
    let files = ["container.json", "container-stopped.json", "pause.json"];
    let containers = check::<Container>("container", &files);
    let names: Vec<_> = containers.iter().map(|it| it.state.name()).collect();
    assert_eq!(
        names,
        ["running", "running", "stopped", "stopped", "created", "created"]
    );
}

#[test]
fn workers() {
    let workers = check::<WorkerRecord>("worker", &["worker.json"]);
    let protocols: Vec<_> = workers.iter().map(|it| it.protocol).collect();
    assert_eq!(protocols, [1, 2]);
}

#[test]
fn of_a_container_whose_record_is_not_understood_what_its_end_needs_is_kept() {
    let stopped =
        json!({"stopped": {"exit": {"ending": "trap", "message": "why"}, "at": SystemTime::UNIX_EPOCH}});
    let content =
        json!({"id": "a", "namespace": "moby", "bundle": "/b", "program": {"task": 7}, "state": stopped});
    let lost = Container::lost("a", &content);
    assert_eq!(
        (lost.namespace.as_str(), lost.bundle.as_str(), lost.state.name()),
        ("moby", "/b", "stopped")
    );
    let lost = Container::lost("a", &Value::Null);
    assert_eq!(
        (lost.namespace.as_str(), lost.state.name()),
        ("k8s.io", "running")
    );
}
