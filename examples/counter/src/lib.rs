//! Counts what it is sent, each text for itself. Where the counts are kept it neither knows nor asks.

use self::shoal::service::kv_store;

wit_bindgen::generate!({ path: "../../wit", world: "my-service" });

struct Counter;

impl Guest for Counter {
    /// `req` is the request's body, or its path and query where it has none.
    fn handle_request(req: String) -> String {
        let what = req.trim().trim_start_matches('/');
        let what = if what.is_empty() { "nothing" } else { what };
        let count = match kv_store::get(what) {
            // What is no number is not ours to overwrite: a trap here is an error for the client, and in the log.
            Some(count) => count.parse::<u64>().expect("a count in the store") + 1,
            None => 1,
        };
        kv_store::set(what, &count.to_string());
        format!("{what}: {count}\n")
    }
}

export!(Counter);
