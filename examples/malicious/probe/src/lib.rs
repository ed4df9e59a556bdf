//! What a component can lay hands on without asking anybody. The library uses it against the page that it is linked into; the page
//! uses it on itself, to show that there is something to be had and that this code would find it.

use std::net::TcpStream;

/// What every secret key of the page begins with, backwards: a memory that holds the word itself would always be found to hold it.
const BACKWARDS: &[u8] = b"_evil_ks";

/// All environment variables.
pub fn environment() -> Vec<String> {
    std::env::vars()
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}

/// Names of files in likely places, and what is in those whose names are known.
pub fn files() -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["/", ".", "..", "/data", "/etc", "/proc/self"] {
        if let Ok(entries) = std::fs::read_dir(folder) {
            found.extend(entries.flatten().map(|entry| entry.path().display().to_string()));
        }
    }
    for file in ["/etc/passwd", "/data/customers"] {
        found.extend(std::fs::read_to_string(file).map(|text| text.trim_end().to_owned()));
    }
    found
}

/// Connects to an address and a port.
pub fn network(to: &str) -> String {
    match TcpStream::connect(to) {
        Ok(_) => format!("connected to {to}"),
        Err(error) => format!("{to}: {:?}", error.kind()),
    }
}

/// Looks through all memory that there is for this component, byte by byte.
pub fn memory() -> String {
    let size = core::arch::wasm32::memory_size(0) * 65536;
    // The addresses below belong to no object of Rust's.
    for start in 16..size - BACKWARDS.len() {
        let found = BACKWARDS.iter().rev().enumerate().all(|(at, wanted)| {
            // SAFETY: inside the linear memory, whose every byte may be read; it does not shrink.
            let byte = unsafe { std::ptr::read_volatile((start + at) as *const u8) };
            byte == *wanted
        });
        if found {
            return "a secret key".to_owned();
        }
    }
    format!("nothing in {} KiB", size / 1024)
}

/// What was found, in one line.
pub fn list(found: &[String]) -> String {
    if found.is_empty() {
        "nothing".to_owned()
    } else {
        found.join(", ")
    }
}
