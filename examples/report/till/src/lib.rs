//! Counts what is sold, and shows the last report.

use self::shoal::service::kv_store;

wit_bindgen::generate!({ path: "../../../wit", world: "my-service" });

struct Till;

impl Guest for Till {
    /// `req` is what is sold, or the path where a request has no body.
    fn handle_request(req: String) -> String {
        let sold = match req.trim() {
            path if path.starts_with('/') => {
                let last = kv_store::get("report");
                return last.unwrap_or_else(|| "There is no report yet.".to_owned()) + "\n";
            }
            sold => sold,
        };
        let count = kv_store::get("sold")
            .and_then(|it| it.parse().ok())
            .unwrap_or(0u64)
            + 1;
        kv_store::set("sold", &count.to_string());
        format!("{sold}: sale {count} since the last report\n")
    }
}

export!(Till);
