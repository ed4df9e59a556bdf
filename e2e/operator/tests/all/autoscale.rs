//! An autoscaler that follows the CPU time of pods without a process of their own, by way of containerd's figures.

use crate::rollout::{address, netns};
use serde_json::json;
use shoal_operated::manifest::service;
use shoal_operated::{Operator, ready};
use shoal_pods::{Load, Space, guests};

#[test]
fn a_service_under_load_gets_more_replicas_and_loses_them_again() {
    let space = Space::new("autoscale");
    let _operator = Operator::start("a", &[&space.name]);
    let mut object = service("greeter", &guests::image("http_hello"));
    object["spec"]["scaling"] = json!({"minReplicas": 1, "maxReplicas": 3, "targetCPU": "1m"});
    space.apply(&object);
    ready(&space, "greeter");
    // As a person would who does not want to wait five minutes; no reconciliation takes it back.
    let behavior = r#"{"spec":{"behavior":{"scaleDown":{"stabilizationWindowSeconds":0}}}}"#;
    space.kubectl(&["patch", "hpa", "greeter", "--type=merge", "-p", behavior]);

    let load = Load::start(netns(), address(&space, "greeter"));
    space.until("deployment", "greeter", |it| {
        (it["status"]["readyReplicas"].as_i64() >= Some(2)).then_some(())
    });
    load.stop().none_missed("while it is scaled");
    let counted = space.get("hpa", "greeter")["status"]["currentMetrics"][0]["resource"].clone();
    println!("scaled by {counted}");

    space.until("deployment", "greeter", |it| {
        (it["spec"]["replicas"] == 1 && it["status"]["replicas"] == 1).then_some(())
    });
    assert_eq!(
        space.get("hpa", "greeter")["spec"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"],
        0
    );
    ready(&space, "greeter");
}
