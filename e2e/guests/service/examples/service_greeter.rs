//! Greets whoever the request names and counts the visits of each in the key-value store.

use self::shoal::service::kv_store;

wit_bindgen::generate!({ path: "../../../wit", world: "my-service" });

struct Greeter;

impl Guest for Greeter {
    fn handle_request(req: String) -> String {
        let name = req.trim();
        let visit = kv_store::get(name)
            .and_then(|count| count.parse().ok())
            .unwrap_or(0u64)
            + 1;
        kv_store::set(name, &visit.to_string());
        format!("hello {name}, visit {visit}\n")
    }
}

export!(Greeter);
