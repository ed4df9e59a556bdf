//! From a reference to a compiled file: verified bytes from registries, files and OCI layouts, a cache that holds
//! nothing half-written, and pushes. No wasmtime here: `shoal_compile`'s child compiles, `shoal-engine` loads.
//!
//! ```text
//! Source ──fetch──> Artifact (blobs/sha256/…) ──compiled──> Compiled (compiled/<engine>/….cwasm + description)
//!   reference: credentials → http/auth → pull → format (which layer) ┐
//!   layout, file ────────────────────────────────────────────────────┴→ ingest (unpack, magic) → cache
//! ```
//!
//! # What is taken from `oci-client`, and what it does not have
//!
//! References, the manifest types and pushes are `oci-client`'s. Pulls and logins are our own, over the same HTTP
//! client (`reqwest`), since with `oci-client` 0.18
//! - a manifest, a token, and the body of an error are read whole, whatever their size;
//! - an error does not keep `Retry-After`, and nothing is tried again;
//! - a redirect, or a token server's address, may lead from HTTPS to HTTP;
//! - docker's identity tokens (OAuth2 refresh tokens) are not known;
//! - a failed login is dropped, and the request goes on without one.
//!
//! A push is subject to the first two in what a registry answers to it; it is retried without `Retry-After`, under the
//! same limits on time.

mod auth;
mod cache;
mod compiled;
mod composed;
mod credentials;
mod digest;
mod error;
mod evict;
mod excerpt;
mod fetch;
pub mod format;
mod http;
mod ingest;
mod keep;
mod keyring;
mod layout;
mod lock;
mod magic;
mod manage;
mod options;
mod package;
mod pins;
mod progress;
mod pull;
mod push;
mod redirect;
mod reserve;
mod resolve;
mod retry;
mod room;
mod scan;
mod source;
mod staging;
mod unpack;

pub use cache::{Artifact, Cache};
pub use compiled::Compiled;
pub use composed::{Composed, Member};
pub use digest::Digest;
pub use error::ArtifactError;
pub use format::Format;
pub use keep::Reserved;
pub use keyring::{Keyring, KeyringError, Login, PullSecret};
pub use magic::{Content, SNIFF_LEN, sniff};
pub use manage::{CachedFile, Prune, Pruned};
pub use oci_client::Reference;
pub use options::{
    CredentialSource, DEFAULT_MAX_SIZE, FetchOptions, MAX_MANIFEST_SIZE, PlainHttp, PullPolicy, Transport,
};
pub use package::{Interfaces, PushFormat};
pub use pins::Pin;
pub use progress::{Progress, Step};
pub use push::{PushOptions, Pushed, push};
pub use resolve::resolve;
pub use room::{CacheLimits, CacheUsage, DEFAULT_CACHE_SIZE};
pub use scan::CachedKind;
pub use source::{Source, parse_reference};
pub use unpack::Packing;
