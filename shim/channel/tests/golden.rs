//! What keepers and daemons of each released version said is understood: a keeper lives as long as its node.

#![allow(
    clippy::expect_used,
    reason = "helpers of tests, which clippy takes for other code"
)]

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use shoal_channel::node::Containerd;
use shoal_channel::store::{FromKeeper, ToKeeper, Version};
use shoal_channel::{Message, kinds};
use shoal_golden::Golden;
use std::collections::BTreeSet;

fn golden() -> Golden {
    Golden::new(env!("CARGO_MANIFEST_DIR"), 2)
}

fn check<T: Serialize + DeserializeOwned>(name: &str) {
    golden().current::<Vec<T>>(name);
    let mut said = BTreeSet::new();
    for message in golden().read_all::<Vec<Value>>(name).into_iter().flatten() {
        let text = message.to_string();
        let read = serde_json::from_str(&text).expect("a message");
        assert!(matches!(read, Message::<T>::Known(_)), "{text} is not understood");
        said.extend(
            message
                .as_object()
                .into_iter()
                .flatten()
                .map(|(kind, _)| kind.clone()),
        );
    }
    let all: BTreeSet<_> = kinds::<T>().iter().map(|kind| (*kind).to_owned()).collect();
    assert_eq!(said, all, "{name} has one of each kind");
}

#[test]
fn what_daemons_say() {
    check::<ToKeeper>("to-keeper.json");
}

#[test]
fn what_keepers_say() {
    check::<FromKeeper>("from-keeper.json");
}

#[test]
fn what_launchers_write_down() {
    golden().current::<Containerd>("containerd.json");
    golden().readable_before("containerd.json");
}

#[test]
fn a_keeper_of_version_1_is_told_nothing_new() {
    let ready = golden().read_all::<Vec<FromKeeper>>("from-keeper.json");
    let versions = ready.iter().flatten().filter_map(|message| match message {
        FromKeeper::Ready(ready) => Some(ready.version.clone()),
        _ => None,
    });
    let ours = Version {
        protocol: 2,
        build: "0.1.0".to_owned(),
    };
    assert_eq!(versions.collect::<Vec<_>>(), [None, Some(ours)]);
}
