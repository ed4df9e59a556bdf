//! What a component may do. Everything is optional, and what is absent is denied. How a grant is enforced lives in
//! the host.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::{IMPORTS, KEY, LABEL, MOUNT_PATH, REDIS_URL, STORE_NAME, SUBDOMAIN};
use crate::{Duration, Ports, TlsRule, rules};

/// What a component may do beyond computing. Absent means denied; a component that is linked into another inherits
/// none of its grants.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    /// Key-value stores, for `shoal:service/kv-store` (the one named `default`) and `wasi:keyvalue`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub key_value: Vec<KeyValueGrant>,

    /// Outgoing HTTP, TCP, UDP and name resolution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkGrant>,

    /// Directories of volumes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["mountPath"]))]
    pub filesystem: Vec<FilesystemGrant>,

    /// Values for `wasi:config/store`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub config: Vec<ConfigGrant>,

    /// Values for `shoal:service/secrets`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub secrets: Vec<SecretGrant>,

    /// How exact the clocks are. The clocks themselves are always linked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clocks: Option<ClockGrant>,

    /// Channels to publish to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["channel"]))]
    pub messaging: Vec<MessagingGrant>,

    /// Imports that the component never uses, though its SDK declares them: interfaces (`fermyon:spin/llm`), all interfaces of a
    /// package (`fermyon:spin/*`), or functions. Where Shoal does not have one, a call to it traps; where it would need a grant, it
    /// is there with nothing granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256), regex(pattern = IMPORTS)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub unused_imports: Vec<String>,
}

impl Capabilities {
    /// Whether nothing at all is granted.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the store of this name is granted, to read or to write.
    pub fn has_store(&self, name: &str) -> bool {
        self.key_value.iter().any(|grant| grant.store == name)
    }
}

/// A store that the component may open.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyValueGrant {
    /// What the component passes to `open`. The one named `default` serves `shoal:service/kv-store`, and whoever opens the empty
    /// name where none is granted under that.
    #[schemars(length(max = 63), regex(pattern = STORE_NAME))]
    pub name: String,
    /// The name of an entry of `spec.stores`.
    #[schemars(length(min = 1, max = 63), regex(pattern = LABEL))]
    pub store: String,
    /// Refuse writes.
    #[serde(default)]
    pub read_only: bool,
}

/// Where the component may connect to.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkGrant {
    /// The destinations. An empty list allows none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub outbound: Vec<OutboundRule>,
    /// How HTTPS is spoken with some hosts: private certificate authorities, client certificates. It grants no connection.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub tls: Vec<TlsRule>,
}

/// A destination: a host, ports and protocols.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutboundRule {
    /// A name (`api.example.com`), all names below one (`*.example.com`), an address (`192.0.2.1`), a range
    /// (`10.0.0.0/8`), or `*`: any name and any address.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::host())]
    pub host: String,
    /// Ports, 1 to 65535, at least one; a range as `8000-8999`.
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub ports: Vec<Ports>,
    /// TCP (which HTTP needs), UDP, or both.
    #[serde(default = "default_protocols")]
    #[schemars(length(min = 1, max = 2), extend("x-kubernetes-list-type" = "set"))]
    pub protocols: Vec<Protocol>,
    /// Connect even if the *name* resolves to a private, loopback or link-local address, and with `*` to such an address at all.
    /// Addresses and ranges that `host` spells out need no such leave.
    #[serde(default)]
    pub allow_private: bool,
}

impl Default for OutboundRule {
    fn default() -> Self {
        Self {
            host: String::new(),
            ports: Vec::new(),
            protocols: default_protocols(),
            allow_private: false,
        }
    }
}

fn default_protocols() -> Vec<Protocol> {
    vec![Protocol::Tcp]
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Protocol {
    /// TCP, and HTTP on it.
    #[serde(rename = "TCP")]
    Tcp,
    /// UDP.
    #[serde(rename = "UDP")]
    Udp,
}

/// A directory of a volume, as a preopened directory.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FilesystemGrant {
    /// The name of an entry of `spec.volumes`.
    #[schemars(length(min = 1, max = 63), regex(pattern = LABEL))]
    pub volume: String,
    /// The absolute path under which the component sees it.
    #[schemars(length(min = 1, max = 1024), regex(pattern = MOUNT_PATH))]
    #[x_kube(validation = rules::normalised())]
    pub mount_path: String,
    /// Refuse writes. The default.
    #[serde(default = "yes")]
    pub read_only: bool,
}

impl Default for FilesystemGrant {
    fn default() -> Self {
        Self {
            volume: String::new(),
            mount_path: "/".to_owned(),
            read_only: true,
        }
    }
}

fn yes() -> bool {
    true
}

/// One value of `wasi:config/store`.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one(
    &["value", "valueFrom"],
    "a config entry needs exactly one of value and valueFrom"
))]
pub struct ConfigGrant {
    /// The key that the component asks for.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The value itself. Exactly one of value and valueFrom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    pub value: Option<String>,
    /// Where the value is read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<ValueSource>,
}

/// A key of a ConfigMap or of a Secret. Exactly one of the two.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one(
    &["configMapKeyRef", "secretKeyRef"],
    "a value is read from exactly one of configMapKeyRef and secretKeyRef"
))]
pub struct ValueSource {
    /// A key of a ConfigMap of the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<KeyRef>,
    /// A key of a Secret of the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<KeyRef>,
}

/// One key of a named object.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyRef {
    /// The object's name.
    #[schemars(length(min = 1, max = 253), regex(pattern = SUBDOMAIN))]
    pub name: String,
    /// The key in its data.
    #[schemars(length(min = 1, max = 253), regex(pattern = KEY))]
    pub key: String,
    /// Start without the value if the object or the key is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// One value of `shoal:service/secrets`.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretGrant {
    /// The name that the component asks for.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The Secret and its key.
    pub secret_key_ref: KeyRef,
}

/// How exact the clocks are.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClockGrant {
    /// The step in which both clocks advance; 1us at the finest, 1ms by default. A coarse clock takes away what a
    /// component would need to time its neighbours.
    #[serde(default = "default_resolution")]
    #[x_kube(validation = rules::duration("1us", "1h"))]
    pub resolution: Duration,
}

impl Default for ClockGrant {
    fn default() -> Self {
        Self {
            resolution: default_resolution(),
        }
    }
}

fn default_resolution() -> Duration {
    Duration::from_millis(1)
}

/// A channel that the component may publish to.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessagingGrant {
    /// The channel's name, or the stream's key.
    #[schemars(length(min = 1, max = 253))]
    pub channel: String,
    /// Where it is.
    pub redis: RedisChannel,
}

/// Where a channel is.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one(&["url", "urlFrom"], "redis needs exactly one of url and urlFrom"))]
pub struct RedisChannel {
    /// `redis://host:port/database`, `redis-sentinel://host,host/master` or `redis-cluster://host,host`; `rediss` for TLS. Exactly one
    /// of url and urlFrom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = REDIS_URL))]
    pub url: Option<String>,
    /// Where the URL is read from; the place for one that holds a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_from: Option<ValueSource>,
    /// Certificate authorities, as PEM, that the server's certificate must come from. Absent: those that browsers trust.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorities_from: Option<ValueSource>,
    /// Append to the stream of this name, which keeps messages until somebody took them. Absent: publish to the channel, whose
    /// messages reach those who listen now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamTarget>,
}

/// How entries are appended to a stream.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamTarget {
    /// About how many entries it keeps; older ones go, read or not. Absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub max_length: Option<u32>,
}
