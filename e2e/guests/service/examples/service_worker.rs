//! Takes messages: counts each payload under its own name in the store, fails for those that begin with `fail`, takes its time for
//! those that begin with `slow`.

use self::exports::shoal::service::message_handler::{Guest, Message};
use self::shoal::service::kv_store;
use std::time::Duration;

wit_bindgen::generate!({ path: "../../../wit", world: "message-service" });

struct Worker;

impl Guest for Worker {
    fn handle_message(message: Message) -> Result<(), String> {
        let text = String::from_utf8(message.payload).map_err(|error| error.to_string())?;
        if text.starts_with("slow") {
            std::thread::sleep(Duration::from_millis(200));
        }
        let seen = kv_store::get(&text)
            .and_then(|count| count.parse().ok())
            .unwrap_or(0u64);
        kv_store::set(&text, &(seen + 1).to_string());
        match text.starts_with("fail") {
            true => Err(format!("{text} fails, attempt {}", message.attempt)),
            false => Ok(()),
        }
    }
}

export!(Worker);
