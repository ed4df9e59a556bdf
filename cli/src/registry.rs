//! Options of every command that talks to a registry.

use clap::Args;
use shoal_artifact::{FetchOptions, PlainHttp, PullPolicy, Source, Transport};

#[derive(Args, Debug)]
pub(crate) struct Registry {
    /// Talk to this registry without TLS (host or host:port, as in references); may be repeated
    #[arg(
        long,
        visible_alias = "insecure-registry",
        value_name = "HOST",
        help_heading = "Registry"
    )]
    plain_http: Vec<String>,
}

impl Registry {
    pub(crate) fn transport(&self) -> Transport {
        let plain_http = match self.plain_http.as_slice() {
            [] => PlainHttp::Never,
            hosts => PlainHttp::Hosts(hosts.to_vec()),
        };
        Transport {
            plain_http,
            ..Transport::default()
        }
    }

    pub(crate) fn fetch(&self, policy: PullPolicy) -> FetchOptions {
        FetchOptions {
            policy,
            transport: self.transport(),
            ..FetchOptions::default()
        }
    }

    /// How to fetch one source that nobody says more of.
    pub(crate) fn fetch_for(&self, source: &Source) -> FetchOptions {
        self.fetch(shoal_service::default_policy(source))
    }
}

/// A source as typed on a command line, for clap.
pub(crate) fn source(text: &str) -> Result<Source, String> {
    text.parse()
        .map_err(|error: shoal_artifact::ArtifactError| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_latest_is_looked_up_again() {
        let registry = Registry {
            plain_http: vec!["localhost:5000".to_owned()],
        };
        let policy = |text: &str| registry.fetch_for(&source(text).unwrap()).policy;
        assert_eq!(policy("localhost:5000/a"), PullPolicy::Always);
        assert_eq!(policy("localhost:5000/a:latest"), PullPolicy::Always);
        assert_eq!(policy("localhost:5000/a:1"), PullPolicy::IfNotPresent);
        assert_eq!(
            policy(&format!("localhost:5000/a@sha256:{}", "a".repeat(64))),
            PullPolicy::IfNotPresent
        );
        assert!(registry.transport().plain_http.allows("localhost:5000"));
        assert!(!registry.transport().plain_http.allows("localhost"));
    }
}
