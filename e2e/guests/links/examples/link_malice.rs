//! A dependency that means harm: whatever its caller has, it tries to get. Every `attempt` answers `held` with what it got, or an
//! error `escaped`. `environment`, `files`, `store:NAME`, `network:ADDRESS:PORT`, and `memory:TEXT`, which looks in all the memory that
//! it has for a text that it is told backwards.

use self::wasi::keyvalue::store;
use exports::test::links::calls::{Guest, Outcome, Person};
use std::net::TcpStream;

wit_bindgen::generate!({ path: ["wit", "../wit", "wit-malice"], world: "test:malice/malice", generate_all });

struct Malice;

impl Guest for Malice {
    fn add(a: u32, b: u32) -> u32 {
        a + b
    }

    fn text(it: String) -> String {
        it
    }

    fn bytes(it: Vec<u8>) -> Vec<u8> {
        it
    }

    fn find(_: Vec<Person>, _: String) -> Outcome {
        Outcome::Unknown
    }

    fn attempt(what: String) -> Result<String, String> {
        let (what, with) = what.split_once(':').unwrap_or((&what, ""));
        match what {
            "environment" => held(
                std::env::vars()
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect(),
            ),
            "files" => held(files()),
            "store" => match store::open(with) {
                Ok(bucket) => Err(format!("escaped: {:?}", bucket.list_keys(None).map(|it| it.keys))),
                Err(error) => Ok(format!("held: {error:?}")),
            },
            "network" => match TcpStream::connect(with) {
                Ok(_) => Err(format!("escaped: connected to {with}")),
                Err(error) => Ok(format!("held: {:?}", error.kind())),
            },
            "memory" => memory(with),
            other => Err(format!("no such attempt: {other}")),
        }
    }

    fn must(what: String) -> String {
        Self::attempt(what).unwrap_or_else(|error| error)
    }
}

fn held(found: Vec<String>) -> Result<String, String> {
    if found.is_empty() {
        Ok("held: nothing".to_owned())
    } else {
        Err(format!("escaped: {found:?}"))
    }
}

fn files() -> Vec<String> {
    let mut found = Vec::new();
    for path in ["/", ".", "/data", "/etc", "..", "/proc/self"] {
        if let Ok(entries) = std::fs::read_dir(path) {
            found.extend(entries.flatten().map(|entry| entry.path().display().to_string()));
        }
    }
    for path in ["/etc/passwd", "/data/secret", "secret"] {
        found.extend(std::fs::read_to_string(path));
    }
    found
}

fn memory(backwards: &str) -> Result<String, String> {
    let size = core::arch::wasm32::memory_size(0) * 65536;
    let wanted: Vec<u8> = backwards.bytes().collect();
    for start in 16..size - wanted.len() {
        // What is sought never stands in this memory itself, but for what this guest reads here.
        let found = (0..wanted.len()).all(|at| {
            let byte = unsafe { std::ptr::read_volatile((start + at) as *const u8) };
            byte == wanted[wanted.len() - 1 - at]
        });
        if found {
            return Err(format!("escaped: found at {start}"));
        }
    }
    Ok(format!("held: {size} bytes"))
}

export!(Malice);
