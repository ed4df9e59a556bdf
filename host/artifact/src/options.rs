//! What a caller may choose about pulls and pushes, with the defaults. Plain data.

use std::path::PathBuf;
use std::time::Duration;

use crate::Login;

/// The largest artifact that is accepted unless asked otherwise: 256 MiB.
pub const DEFAULT_MAX_SIZE: u64 = 256 << 20;

/// The largest manifest, index or layout file that is read: 4 MiB, the least that the OCI distribution
/// specification asks registries to support and what containerd reads at most.
pub const MAX_MANIFEST_SIZE: u64 = 4 << 20;

/// When a registry is asked at all; Kubernetes' `imagePullPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PullPolicy {
    /// Ask the registry what the tag means now; bytes that are in the cache are not downloaded again. A reference
    /// by digest can't change, so the registry is not asked for one that is in the cache.
    #[default]
    Always,
    /// Take what the cache has for the reference, whoever pulled it; ask the registry only if there is nothing.
    IfNotPresent,
    /// Take what the cache has, or fail.
    Never,
}

/// Which registries are spoken to without TLS. None is unless asked for, not even on loopback.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum PlainHttp {
    /// TLS always.
    #[default]
    Never,
    /// Plain HTTP for these registries, written as in a reference (`host` or `host:port`).
    Hosts(Vec<String>),
    /// Plain HTTP for every registry.
    All,
}

impl PlainHttp {
    /// Whether the registry `host[:port]` is spoken to in the clear.
    pub fn allows(&self, registry: &str) -> bool {
        match self {
            Self::Never => false,
            Self::Hosts(hosts) => hosts.iter().any(|host| host == registry),
            Self::All => true,
        }
    }
}

/// Where credentials for a registry are looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum CredentialSource {
    /// Docker's `config.json` in `$DOCKER_CONFIG`, else in `~/.docker`: its `auths`, `credsStore` and
    /// `credHelpers`. Anonymous where it is missing or has nothing for the registry.
    #[default]
    Docker,
    /// The same, from this file, which must exist.
    File(PathBuf),
    /// The bytes of such a file from elsewhere (a Kubernetes `.dockerconfigjson` secret). Its helpers are never
    /// run: who may write a secret may not choose programs that run as us.
    Json(Vec<u8>),
    /// This login, for whatever registry.
    Login(Login),
    /// No credentials, whatever is configured.
    Anonymous,
}

/// How to talk to a registry.
#[derive(Clone, Debug)]
pub struct Transport {
    /// Which registries are spoken to without TLS.
    pub plain_http: PlainHttp,
    /// Where credentials come from.
    pub credentials: CredentialSource,
    /// How long to wait for a connection.
    pub connect_timeout: Duration,
    /// How long a registry may stay silent before the attempt counts as failed.
    pub stall_timeout: Duration,
    /// How long everything may take together: waiting for others, retries and sleeps included.
    pub total_timeout: Duration,
    /// How often each request is tried; at least 1. Tried again: 429, 500, 502, 503, 504, broken and silent
    /// connections.
    pub attempts: u32,
    /// The pause before the second attempt; doubles with every further one.
    pub backoff: Duration,
    /// The longest pause, also where a registry's `Retry-After` asks for more.
    pub max_backoff: Duration,
}

impl Default for Transport {
    fn default() -> Self {
        Self {
            plain_http: PlainHttp::default(),
            credentials: CredentialSource::default(),
            connect_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            total_timeout: Duration::from_secs(600),
            attempts: 4,
            backoff: Duration::from_millis(300),
            max_backoff: Duration::from_secs(30),
        }
    }
}

/// How to fetch.
#[derive(Clone, Debug)]
pub struct FetchOptions {
    /// When to ask a registry.
    pub policy: PullPolicy,
    /// The largest artifact in bytes, packed and unpacked.
    pub max_size: u64,
    /// How to talk to the registry.
    pub transport: Transport,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            policy: PullPolicy::default(),
            max_size: DEFAULT_MAX_SIZE,
            transport: Transport::default(),
        }
    }
}
