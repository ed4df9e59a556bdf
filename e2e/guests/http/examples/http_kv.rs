//! Does `?op=` to the wasi:keyvalue store `?store=` ("default" unless told): get, set, delete, exists, list, increment
//! (`?delta=`), and in batches get-many, set-many, delete-many, with as many `key=` (and `value=`) as the query holds.

use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};
use guest_http::{Query, answer};

use self::wasi::keyvalue::{atomics, batch, store};

wit_bindgen::generate!({ path: "../wit", world: "with-keyvalue", generate_all });
guest_http::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    match run(&Query::of(&request)) {
        Ok(text) => answer(out, 200, text + "\n"),
        Err(store::Error::NoSuchStore) => answer(out, 404, "error no-such-store\n"),
        Err(store::Error::AccessDenied) => answer(out, 403, "error access-denied\n"),
        Err(store::Error::Other(why)) => answer(out, 500, format_args!("error {why}\n")),
    }
}

fn run(query: &Query) -> Result<String, store::Error> {
    let bucket = store::open(query.get("store").unwrap_or("default"))?;
    let key = query.get("key").unwrap_or("");
    let keys = || query.all("key").map(str::to_owned).collect::<Vec<_>>();
    let values = || query.all("value").map(|value| value.as_bytes().to_vec());
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let done = || "done".to_owned();
    match query.get("op").unwrap_or("get") {
        "get" => Ok(bucket.get(key)?.map_or("none".to_owned(), text)),
        "set" => bucket
            .set(key, &values().next().unwrap_or_default())
            .map(|()| done()),
        "delete" => bucket.delete(key).map(|()| done()),
        "exists" => bucket.exists(key).map(|exists| exists.to_string()),
        "list" => {
            let (mut keys, mut cursor) = (Vec::new(), None);
            loop {
                let page = bucket.list_keys(cursor)?;
                keys.extend(page.keys);
                cursor = page.cursor;
                if cursor.is_none() {
                    keys.sort();
                    break Ok(keys.join(" "));
                }
            }
        }
        "increment" => {
            atomics::increment(&bucket, key, query.number("delta", 1)).map(|value| value.to_string())
        }
        "get-many" => {
            let found = batch::get_many(&bucket, &keys())?;
            let pair = |(key, value)| format!("{key}={}", text(value));
            Ok(found
                .into_iter()
                .map(|entry| entry.map_or("none".to_owned(), pair))
                .collect::<Vec<_>>()
                .join(" "))
        }
        "set-many" => {
            let entries: Vec<_> = keys().into_iter().zip(values()).collect();
            batch::set_many(&bucket, &entries).map(|()| done())
        }
        "delete-many" => batch::delete_many(&bucket, &keys()).map(|()| done()),
        other => Err(store::Error::Other(format!("no such op: {other}"))),
    }
}
