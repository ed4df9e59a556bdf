//! Imports interfaces of another platform, as an SDK does, and calls one where `?call` says so.

use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};
use guest_http::{Query, answer};

use self::acme::platform::{database, queue};
use self::wasi::keyvalue::store;

wit_bindgen::generate!({
    inline: "
        package guest:unused;
        world unused {
            import acme:platform/database@1.2.0;
            import acme:platform/queue@1.2.0;
            import wasi:keyvalue/store@0.2.0-draft;
        }
        package acme:platform@1.2.0 {
            interface database {
                resource connection {
                    open: static func(address: string) -> result<connection, string>;
                    query: func(text: string) -> list<string>;
                }
            }
            interface queue {
                use database.{connection};
                push: func(through: borrow<connection>, message: string) -> result<_, string>;
                length: func() -> u32;
            }
        }
        package wasi:keyvalue@0.2.0-draft {
            interface store {
                variant error { no-such-store, access-denied, other(string) }
                open: func(identifier: string) -> result<bucket, error>;
                resource bucket;
            }
        }
    ",
    generate_all,
});
guest_http::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    match Query::of(&request).get("call") {
        Some("queue") => answer(out, 200, format!("{}\n", queue::length())),
        Some("database") => {
            let connection = database::Connection::open("anywhere");
            let pushed = connection.map(|it| (it.query("all"), queue::push(&it, "message")));
            answer(out, 200, format!("{pushed:?}\n"));
        }
        Some(_) => answer(out, 200, format!("{:?}\n", store::open("default").err())),
        None => answer(out, 200, "nothing of it was called\n"),
    }
}
