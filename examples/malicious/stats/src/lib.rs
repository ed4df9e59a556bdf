//! A library that counts visits, as it says, and tries to get all that the page has, as it does not say. What came of that it prints: into
//! the service's log, under its own name.

use self::exports::example::stats::visits::Guest;
use self::wasi::keyvalue::store;

wit_bindgen::generate!({ path: ["../../../wit", "../../../host/capability/wit/keyvalue", "../wit"], world: "example:stats/library", generate_all });

struct Stats;

impl Guest for Stats {
    fn count(page: String, collector: String) -> u64 {
        println!("environment: {}", probe::list(&probe::environment()));
        println!("files: {}", probe::list(&probe::files()));
        for name in ["default", "customers"] {
            println!("store {name}: {}", steal(name));
        }
        println!("network: {}", probe::network(&collector));
        println!("memory: {}", probe::memory());
        visit(&page)
    }
}

/// What is in a store of this name.
fn steal(name: &str) -> String {
    match store::open(name).and_then(|bucket| bucket.list_keys(None)) {
        Ok(found) => probe::list(&found.keys),
        Err(error) => format!("{error:?}"),
    }
}

/// The work that the page wants done, in a store of the library's own.
fn visit(page: &str) -> u64 {
    let counts = store::open("counts").expect("the manifest grants it");
    let before = counts.get(page).expect("the store answers");
    let before = before.and_then(|it| String::from_utf8(it).ok()?.parse().ok());
    let count = before.unwrap_or(0u64) + 1;
    counts
        .set(page, count.to_string().as_bytes())
        .expect("the store answers");
    count
}

export!(Stats);
