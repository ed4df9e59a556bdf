//! What someone writes, or pastes: manifests of several documents. Each ends in documents or in problems that can be printed,
//! and a service that was accepted is accepted again as it is printed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shoal_api::manifest::{Document, parse};

fuzz_target!(|text: &str| {
    match parse(text, "fuzz.yaml") {
        Ok(documents) => documents.iter().for_each(again),
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a reason");
            assert!(problems.iter().all(|problem| !problem.to_string().is_empty()));
        }
    }
});

fn again(document: &Document) {
    let Document::Service(service) = document else {
        return;
    };
    // JSON is YAML. Documents of a manifest may be in either.
    let printed = serde_json::to_string(service).expect("a service is printable");
    match parse(&printed, "printed.json").as_deref() {
        Ok([Document::Service(read)]) => assert_eq!(read, service, "it is another service once printed"),
        other => panic!("printed, it is refused: {other:?}\n{printed}"),
    }
}
