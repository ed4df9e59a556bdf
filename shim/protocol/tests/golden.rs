//! What each released version said is understood, and a type does not change without a new version.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, which clippy takes for other code"
)]

use schemars::{JsonSchema, schema_for};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use shoal_channel::{Message, kinds};
use shoal_golden::Golden;
use shoal_protocol::{FromWorker, ToWorker, VERSION, Version};
use std::collections::BTreeSet;

fn golden() -> Golden {
    Golden::new(env!("CARGO_MANIFEST_DIR"), 2)
}

/// Reads the messages of every version, and compares those of this one with the types.
fn check<T: Serialize + DeserializeOwned + JsonSchema>(name: &str) {
    golden().current::<Vec<T>>(&format!("{name}.json"));
    let schema = schema_for!(T);
    golden().shape(&format!("{name}.schema.json"), schema.as_value());
    let mut said = BTreeSet::new();
    for messages in golden().read_all::<Vec<Value>>(&format!("{name}.json")) {
        for message in messages {
            let text = message.to_string();
            let read: Message<T> = serde_json::from_str(&text).expect("a message");
            let Message::Known(read) = read else {
                panic!("{text} is not understood");
            };
            match serde_json::to_value(read).expect("JSON") {
                Value::Object(message) => said.extend(message.into_iter().map(|(kind, _)| kind)),
                other => panic!("{other} has no fields, and can't get any"),
            }
        }
    }
    let all: BTreeSet<_> = kinds::<T>().iter().map(|kind| (*kind).to_owned()).collect();
    assert_eq!(said, all, "{name}.json has one of each kind");
}

#[test]
fn what_daemons_say() {
    check::<ToWorker>("to-worker");
}

#[test]
fn what_workers_say() {
    check::<FromWorker>("from-worker");
}

/// As version 1 reads it, which knows no version.
#[derive(Debug, PartialEq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
enum First {
    Hello,
    State { tasks: Vec<Value> },
}

#[test]
fn version_1_understands_a_greeting_and_its_answer() {
    let first = |said: Value| serde_json::from_value::<First>(said).expect("understood");
    let hello = serde_json::to_value(ToWorker::Hello(None)).expect("JSON");
    assert_eq!(first(hello), First::Hello);
    let state = FromWorker::State {
        version: Some(Version {
            protocol: 2,
            build: "0.2.0".to_owned(),
        }),
        tasks: Vec::new(),
    };
    let state = serde_json::to_value(state).expect("JSON");
    assert_eq!(first(state), First::State { tasks: Vec::new() });
}

#[test]
fn a_side_that_says_no_version_speaks_the_first() {
    assert_eq!(Version::spoken(None), 1);
    assert_eq!(Version::spoken(Version::ours().as_ref()), VERSION);
}
