//! Where a registry may send us: storage elsewhere, a token server, but nowhere without TLS unless that was asked for.

use std::error::Error as _;

use reqwest::Url;

use crate::excerpt::excerpt;
use crate::options::PlainHttp;

/// A redirect that gives up TLS for a host where that was not asked for.
#[derive(Debug, thiserror::Error)]
#[error("a redirect to {0} without TLS")]
pub(crate) struct Insecure(pub(crate) String);

/// The refused redirect behind an error of the HTTP client.
pub(crate) fn refused(error: &reqwest::Error) -> Option<&Insecure> {
    let mut next = error.source();
    while let Some(source) = next {
        if let Some(found) = source.downcast_ref() {
            return Some(found);
        }
        next = source.source();
    }
    None
}

/// Follows redirects, but few, and none that gives up TLS.
pub(crate) fn policy(plain_http: PlainHttp) -> reqwest::redirect::Policy {
    reqwest::redirect::Policy::custom(move |attempt| {
        if attempt.previous().len() > 5 {
            attempt.error("too many redirects")
        } else if is_secure(attempt.url(), &plain_http) {
            attempt.follow()
        } else {
            let to = Insecure(origin(attempt.url()));
            attempt.error(to)
        }
    })
}

/// Whether a URL that a registry pointed to may be used.
pub(crate) fn is_secure(url: &Url, plain_http: &PlainHttp) -> bool {
    let host = url.host_str().unwrap_or_default();
    let authority = url
        .port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    url.scheme() == "https" || (url.scheme() == "http" && plain_http.allows(&authority))
}

/// Scheme and authority alone: the rest of a signed URL is a secret.
pub(crate) fn origin(url: &Url) -> String {
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    excerpt(
        &format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default()),
        200,
    )
}
