//! Interfaces that other platforms' templates import, in their drafts: `?op=log` writes a line, `config` reads a value both ways, `keys`
//! sets `a` and `b` in the store `?store=` and lists what is there page by page, `zone` tells the time zone.

use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};
use guest_http::{Query, answer};

use self::wasi::clocks::timezone::{self, Datetime};
use self::wasi::config::{runtime, store as config};
use self::wasi::keyvalue::{batch, store};
use self::wasi::logging::logging::{self, Level};

wit_bindgen::generate!({
    inline: "
        package guest:drafts;
        world drafts {
            import wasi:logging/logging@0.1.0-draft;
            import wasi:config/store@0.2.0-draft;
            import wasi:config/runtime@0.2.0-draft;
            import wasi:keyvalue/store@0.2.0-draft2;
            import wasi:keyvalue/batch@0.2.0-draft2;
            import wasi:clocks/timezone@0.2.3;
        }
        package wasi:logging@0.1.0-draft {
            interface logging {
                enum level { trace, debug, info, warn, error, critical }
                log: func(level: level, context: string, message: string);
            }
        }
        package wasi:config@0.2.0-draft {
            interface store {
                variant error { upstream(string), io(string) }
                get: func(key: string) -> result<option<string>, error>;
                get-all: func() -> result<list<tuple<string, string>>, error>;
            }
            interface runtime {
                variant config-error { upstream(string), io(string) }
                get: func(key: string) -> result<option<string>, config-error>;
                get-all: func() -> result<list<tuple<string, string>>, config-error>;
            }
        }
        package wasi:keyvalue@0.2.0-draft2 {
            interface store {
                variant error { no-such-store, access-denied, other(string) }
                record key-response { keys: list<string>, cursor: option<string> }
                open: func(identifier: string) -> result<bucket, error>;
                resource bucket {
                    get: func(key: string) -> result<option<list<u8>>, error>;
                    set: func(key: string, value: list<u8>) -> result<_, error>;
                    delete: func(key: string) -> result<_, error>;
                    exists: func(key: string) -> result<bool, error>;
                    list-keys: func(cursor: option<string>) -> result<key-response, error>;
                }
            }
            interface batch {
                use store.{bucket, error};
                get-many: func(bucket: borrow<bucket>, keys: list<string>)
                    -> result<list<option<tuple<string, list<u8>>>>, error>;
                set-many: func(bucket: borrow<bucket>, key-values: list<tuple<string, list<u8>>>) -> result<_, error>;
                delete-many: func(bucket: borrow<bucket>, keys: list<string>) -> result<_, error>;
            }
        }
        package wasi:clocks@0.2.3 {
            interface wall-clock {
                record datetime { seconds: u64, nanoseconds: u32 }
            }
            interface timezone {
                use wall-clock.{datetime};
                record timezone-display { utc-offset: s32, name: string, in-daylight-saving-time: bool }
                display: func(when: datetime) -> timezone-display;
                utc-offset: func(when: datetime) -> s32;
            }
        }
    ",
    generate_all,
});
guest_http::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let query = Query::of(&request);
    let text = match query.get("op").unwrap_or("") {
        "log" => {
            logging::log(Level::Warn, "orders", "one is late\nand another");
            logging::log(Level::Critical, "", "all are");
            Ok("logged".to_owned())
        }
        "config" => configured(query.get("name").unwrap_or("")),
        "keys" => keys(query.get("store").unwrap_or("")).map_err(|error| format!("{error:?}")),
        _ => Ok(zone()),
    };
    match text {
        Ok(text) => answer(out, 200, text + "\n"),
        Err(error) => answer(out, 500, error + "\n"),
    }
}

fn configured(name: &str) -> Result<String, String> {
    let one = config::get(name).map_err(|error| format!("{error:?}"))?;
    let other = runtime::get(name).map_err(|error| format!("{error:?}"))?;
    Ok(format!("{one:?} {other:?}"))
}

fn keys(name: &str) -> Result<String, store::Error> {
    let bucket = store::open(name)?;
    bucket.set("a", b"1")?;
    batch::set_many(&bucket, &[("b".to_owned(), b"2".to_vec())])?;
    let (mut keys, mut cursor) = (Vec::new(), None);
    loop {
        let page = bucket.list_keys(cursor.as_deref())?;
        keys.extend(page.keys);
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    keys.sort();
    let wrong = bucket.list_keys(Some("elsewhere")).unwrap_err();
    Ok(format!("{} {wrong:?}", keys.join(" ")))
}

fn zone() -> String {
    let when = Datetime {
        seconds: 1_700_000_000,
        nanoseconds: 0,
    };
    let display = timezone::display(when);
    format!(
        "{} {} {}",
        display.name,
        display.utc_offset,
        timezone::utc_offset(when)
    )
}
