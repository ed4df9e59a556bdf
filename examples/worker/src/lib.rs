//! Ships the orders that come by a stream of Redis. What went wrong is tried again later, what can't be done ends as a dead letter, and
//! what comes twice is shipped once.

use self::exports::shoal::service::message_handler::{Guest, Message};
use self::shoal::service::kv_store;

wit_bindgen::generate!({ path: "../../wit", world: "message-service" });

struct Worker;

impl Guest for Worker {
    /// The entry is acknowledged once this returns ok.
    fn handle_message(message: Message) -> Result<(), String> {
        let order = String::from_utf8(message.payload).map_err(|_| "the order is no text")?;
        let id = message
            .id
            .ok_or("only entries of streams have an id, and can be told apart")?;
        // A worker may end between shipping and acknowledging. Then the entry comes again, with the same id.
        let shipped = format!("shipped/{id}");
        if kv_store::get(&shipped).is_some() {
            println!("{order}: was shipped before");
            return Ok(());
        }
        carrier(&order, message.attempt)?;
        kv_store::set(&shipped, &order);
        println!("{order}: shipped, attempt {}", message.attempt);
        Ok(())
    }
}

/// Stands in for a carrier that does not always answer.
fn carrier(order: &str, attempt: u32) -> Result<(), String> {
    match order.split_once(' ') {
        Some((_, "Atlantis")) => Err("nobody delivers to Atlantis".to_owned()),
        Some((_, "Iceland")) if attempt < 3 => Err("the carrier did not answer".to_owned()),
        Some(_) => Ok(()),
        None => Err("an order is a thing and a place".to_owned()),
    }
}

export!(Worker);
