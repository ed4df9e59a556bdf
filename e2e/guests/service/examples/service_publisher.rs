//! Publishes what it is sent: the first line of the request names the channel, the rest is the message. Tells what came of it.

use self::shoal::service::messaging::{Error, publish};

wit_bindgen::generate!({
    path: ["../../../wit"],
    inline: "
        package guest:publisher;
        world publisher {
            import shoal:service/messaging@0.1.0;
            export handle-request: func(req: string) -> string;
        }
    ",
    world: "guest:publisher/publisher",
    generate_all,
});

struct Publisher;

impl Guest for Publisher {
    fn handle_request(req: String) -> String {
        let (channel, message) = req.split_once('\n').unwrap_or((&req, ""));
        match publish(channel, message.as_bytes()) {
            Ok(()) => "sent\n".to_owned(),
            Err(Error::Denied(why)) => format!("denied: {why}\n"),
            Err(Error::TooLarge(most)) => format!("too large: {most}\n"),
            Err(Error::Unsent(why)) => format!("unsent: {why}\n"),
            Err(Error::Unknown(why)) => format!("unknown: {why}\n"),
        }
    }
}

export!(Publisher);
