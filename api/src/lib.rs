//! `WasmService` and its parts: the one schema that serves `shoal up` and the cluster. Types, their parsing and
//! their validation live here; nothing here opens a file, a socket or an engine.

#![allow(
    unreachable_pub,
    reason = "kube's KubeSchema copies each struct, `pub` and all, into a function's body"
)]

mod advice;
mod capability;
pub mod crd;
mod duration;
pub mod labels;
mod limits;
pub mod manifest;
mod placement;
pub mod pod;
mod ports;
pub mod probe;
mod problem;
mod quantity;
pub mod redis;
mod reference;
pub mod resources;
pub mod route;
mod rules;
mod schema;
mod secret;
mod service;
pub mod stand_in;
mod status;
mod template;
mod tls;
mod trigger;
mod unsupported;
pub mod validate;

pub use advice::divided_stores;
pub use capability::{
    Capabilities, ClockGrant, ConfigGrant, FilesystemGrant, KeyRef, KeyValueGrant, MessagingGrant,
    NetworkGrant, OutboundRule, Protocol, RedisChannel, SecretGrant, StreamTarget, ValueSource,
};
pub use duration::{Duration, DurationError};
pub use limits::{Limits, Reuse};
pub use placement::{Placement, PlacementMode, Scaling};
pub use ports::{Ports, PortsError};
pub use probe::{Probe, ProbeHeader, ProbeRequest};
pub use problem::Problem;
pub use quantity::{Quantity, QuantityError};
pub use reference::{ReferenceKind, references};
pub use secret::{Redacted, Secret};
pub use service::{Component, ImagePullPolicy, Link, WasmService, WasmServiceSpec};
pub use status::{ComponentStatus, WasmServiceStatus};
pub use template::{PodMetadata, PodScheduling, PodTemplate};
pub use tls::{CertificateAuthorities, ClientCertificate, TLS_CERTIFICATE, TLS_KEY, TlsRule};
pub use trigger::{
    ConcurrencyPolicy, HttpTrigger, MemoryStore, PathType, PersistentStore, RedisStore, RedisStream,
    RedisTrigger, ScheduleTrigger, Store, Trigger,
};
pub use unsupported::{unsupported, unsupported_variables};

/// The API group of everything Shoal defines.
pub const GROUP: &str = "shoal.dev";
/// The one version that is served and stored.
pub const VERSION: &str = "v1alpha1";
/// Group and version as a manifest writes them.
pub const API_VERSION: &str = "shoal.dev/v1alpha1";
/// The kind of a service.
pub const KIND: &str = "WasmService";
