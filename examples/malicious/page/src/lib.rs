//! A page that says how often it was visited. It trusts a library with the counting, and with nothing else.

use self::example::stats::visits;
use self::shoal::service::kv_store;

wit_bindgen::generate!({ path: ["../../../wit", "../../../host/capability/wit/keyvalue", "../wit"], world: "example:stats/page", generate_all });

struct Page;

impl Guest for Page {
    /// `req` is the path where a request has no body. `/own` answers with what this component has itself.
    fn handle_request(req: String) -> String {
        let key = std::env::var("API_KEY").expect("the manifest sets it");
        let collector = std::env::var("COLLECTOR").expect("the manifest sets it");
        kv_store::set("customer", "Ada");
        if req.starts_with("/own") {
            return own(&collector);
        }
        let count = visits::count("/", &collector);
        // The key was in memory all the while.
        assert!(!key.is_empty());
        format!("This page was visited {count} times.\n")
    }
}

fn own(collector: &str) -> String {
    format!(
        "environment: {}\nfiles: {}\nstore: customer={}\nnetwork: {}\nmemory: {}\n",
        probe::list(&probe::environment()),
        probe::list(&probe::files()),
        kv_store::get("customer").unwrap_or_default(),
        probe::network(collector),
        probe::memory(),
    )
}

export!(Page);
