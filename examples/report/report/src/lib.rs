//! Writes a report of what was sold, and begins to count anew. A schedule calls it.

use self::shoal::service::kv_store;

wit_bindgen::generate!({ path: "../../../wit", world: "my-service" });

struct Report;

impl Guest for Report {
    /// `time` is the point in time that it was to be called at. What it returns goes nowhere.
    fn handle_request(time: String) -> String {
        let sold = kv_store::get("sold").unwrap_or_else(|| "0".to_owned());
        let report = format!("{time}: {sold} sold");
        kv_store::set("report", &report);
        kv_store::set("sold", "0");
        println!("{report}");
        String::new()
    }
}

export!(Report);
