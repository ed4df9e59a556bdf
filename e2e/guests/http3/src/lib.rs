//! What several guests share: little, since the bindings of WASI 0.3 need no helpers to be short.

use wasip3::http::types::Scheme;

/// The parts of a URL: scheme, authority, and the path with the query, which may be empty.
pub fn parts(url: &str) -> (Scheme, &str, &str) {
    let (scheme, rest) = match url.split_once("://") {
        Some(("https", rest)) => (Scheme::Https, rest),
        Some((_, rest)) => (Scheme::Http, rest),
        None => (Scheme::Http, url),
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    (scheme, authority, path)
}
