//! One suite for all kinds of stores: the same guests get the same answers, whatever stands behind the name.

use crate::http;
use std::net::SocketAddr;

/// Asks the service at `address` for all that a store does: at `/` the guest `http_kv`, which does what it is asked to `?store=`, at
/// `/greet` the guest `service_greeter`. Both are granted the same store as `default`, the first one it as `ro` too, to read. `kind`
/// stands in messages.
pub fn conforms(kind: &str, address: SocketAddr) {
    let get = |path: &str| -> (u16, String) {
        let answer = http::get(address, path);
        let (status, text) = answer.unwrap_or_else(|error| panic!("{kind}: {path:.60}: {error}"));
        (status, text.trim_end().to_owned())
    };
    let long = "k".repeat(1025);
    let steps = [
        ("op=get&key=a".to_owned(), 200, "none"),
        ("op=set&key=a&value=1".to_owned(), 200, "done"),
        ("op=get&key=a".to_owned(), 200, "1"),
        ("op=get&key=a&store=ro".to_owned(), 200, "1"),
        (
            "op=set&key=a&value=2&store=ro".to_owned(),
            403,
            "error access-denied",
        ),
        ("op=get&key=a&store=other".to_owned(), 404, "error no-such-store"),
        ("op=exists&key=a".to_owned(), 200, "true"),
        ("op=increment&key=a&delta=41".to_owned(), 200, "42"),
        ("op=increment&key=new&delta=9".to_owned(), 200, "9"),
        (
            "op=set&key=big&value=18446744073709551614".to_owned(),
            200,
            "done",
        ),
        (
            "op=increment&key=big&delta=1".to_owned(),
            200,
            "18446744073709551615",
        ),
        (
            "op=increment&key=big&delta=1".to_owned(),
            500,
            "error the value of \"big\" is not a decimal number below 2^64, or would not stay one",
        ),
        ("op=set&key=odd&value=007".to_owned(), 200, "done"),
        (
            "op=increment&key=odd".to_owned(),
            500,
            "error the value of \"odd\" is not a decimal number below 2^64, or would not stay one",
        ),
        ("op=set-many&key=b&value=2&key=c&value=3".to_owned(), 200, "done"),
        (
            "op=get-many&key=b&key=nothing&key=c".to_owned(),
            200,
            "b=2 none c=3",
        ),
        ("op=list".to_owned(), 200, "a b big c new odd"),
        ("op=delete-many&key=b&key=nothing&key=c".to_owned(), 200, "done"),
        ("op=delete&key=big".to_owned(), 200, "done"),
        ("op=delete&key=big".to_owned(), 200, "done"),
        ("op=exists&key=big".to_owned(), 200, "false"),
        ("op=set&key=%C3%BC%20%00*%7B%7D&value=".to_owned(), 200, "done"),
        ("op=get&key=%C3%BC%20%00*%7B%7D".to_owned(), 200, ""),
        ("op=delete&key=%C3%BC%20%00*%7B%7D".to_owned(), 200, "done"),
        (format!("op=get&key={long}"), 200, "none"),
        (
            format!("op=set&key={long}&value=1"),
            500,
            "error the key has 1025 bytes; the store takes keys of at most 1024",
        ),
        ("op=list&store=ro".to_owned(), 200, "a new odd"),
    ];
    for (query, status, expected) in steps {
        assert_eq!(
            get(&format!("/?{query}")),
            (status, expected.to_owned()),
            "{kind}: {query:.60}"
        );
    }
    // A thousand keys and more come in pages, each once.
    for chunk in (0..2500).collect::<Vec<_>>().chunks(50) {
        let query: String = chunk.iter().map(|n| format!("&key=p{n:04}&value=x")).collect();
        assert_eq!(
            get(&format!("/?op=set-many{query}")),
            (200, "done".to_owned()),
            "{kind}"
        );
    }
    let (_, listed) = get("/?op=list");
    let mut listed: Vec<_> = listed.split_whitespace().collect();
    listed.dedup();
    assert_eq!(listed.len(), 2503, "{kind}");
    // Writers at once lose nothing. Their threads are in the network of this one.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..25 {
                    assert_eq!(get("/?op=increment&key=n&delta=1").0, 200, "{kind}");
                }
            });
        }
    });
    assert_eq!(get("/?op=get&key=n"), (200, "200".to_owned()), "{kind}");
    for visit in 1..=3 {
        let answer = http::post(address, "/greet", "fish").unwrap();
        assert_eq!(answer, (200, format!("hello fish, visit {visit}\n")), "{kind}");
    }
}
