//! Greets whoever the request names and remembers how often each has come. A string in, a string out: Shoal does the HTTP.

use self::shoal::service::kv_store;

wit_bindgen::generate!({ path: "../../../wit", world: "my-service" });

struct Greeter;

impl Guest for Greeter {
    /// `req` is the request's body (`curl -d Ada …/greet`), or its path and query where it has none (`curl …/greet/Ada`).
    fn handle_request(req: String) -> String {
        let name = match req.trim().strip_prefix("/greet") {
            Some(path) => path.trim_matches('/'),
            None => req.trim(),
        };
        let name = if name.is_empty() { "stranger" } else { name };

        let visits = kv_store::get(name)
            .and_then(|count| count.parse().ok())
            .unwrap_or(0u64)
            + 1;
        kv_store::set(name, &visits.to_string());

        match visits {
            1 => format!("Hello {name}, welcome to the shoal.\n"),
            _ => format!("Hello again {name}, this is visit {visits}.\n"),
        }
    }
}

export!(Greeter);
